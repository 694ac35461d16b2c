"""Configures nodes with Ansible: inventory, checks of groups and variables, the run itself, its events."""
