use rusqlite::Connection;
fn main() -> anyhow::Result<()> {
    let c = Connection::open("/tmp/rawx.db")?;
    c.execute_batch("PRAGMA journal_mode=wal; PRAGMA temp_store=memory;")?;
    c.execute_batch(&std::fs::read_to_string("migrations/sqlite/0001_first/up.sql")?)?;
    c.pragma_update(None, "foreign_keys", std::env::args().nth(1).unwrap() == "1")?;
    c.execute_batch("INSERT INTO features(id,name) VALUES('F','F'); INSERT INTO tasks(id,feature_id,description) VALUES('T','F','d')")?;
    if let Some(q) = std::env::args().nth(3) { c.execute_batch(&q)?; }
    let mut st = c.prepare(&std::env::args().nth(2).unwrap())?;
    c.execute_batch("BEGIN IMMEDIATE")?;
    for i in 0..100 { st.execute([i])?; }
    c.execute_batch("COMMIT")?;
    Ok(())
}
