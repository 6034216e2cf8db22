"""``python -m odvae.weights``: which published weights are here, and how to get the others."""

from odvae.metrics.weights_command import main

if __name__ == "__main__":
    main()
