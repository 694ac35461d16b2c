repository = elasticluster.PickleRepository('/path/to/storage/dir')

cluster = repository.get('my-cluster')

clusters = repository.get_all()
