//! What a queue is: entities, a task's life, rollup, ordering.
