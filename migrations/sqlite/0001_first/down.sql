-- Undoes 0001_first: everything goes.

DROP VIEW task_turns;
DROP VIEW feature_turns;
DROP VIEW task_places;
DROP VIEW clock;
DROP TABLE operations;
DROP TABLE removed_items;
DROP TABLE entity_events;
DROP TABLE events;
DROP TABLE questions;
DROP TABLE checkpoints;
DROP TABLE attempts;
DROP TABLE dependencies;
DROP TABLE test_cases;
DROP TABLE tasks;
DROP TABLE features;
DROP TABLE epics;
DROP TABLE acting;
DROP TABLE settings;
DROP TABLE schema_version;
PRAGMA user_version = 0;
