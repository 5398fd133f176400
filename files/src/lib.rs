//! Safe files for stores: bounded locks, atomic replacement, path checks.
