"""``python -m elasticluster``."""

from elasticluster.main import main

if __name__ == "__main__":
    main()
