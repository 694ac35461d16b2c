nodes = cluster.get_all_nodes()

for node in nodes:
    node.start()

starting_nodes = nodes[:]
while starting_nodes:
    starting_nodes = [n for n in starting_nodes if not n.is_alive()]
