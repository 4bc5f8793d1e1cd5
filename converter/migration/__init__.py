"""A whole folder of checkpoints, converted one by one in several processes."""

from converter.migration.run import migrate_folder

__all__ = ["migrate_folder"]
