"""Plugins that Ansible loads by their path."""
