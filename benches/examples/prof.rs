#[path = "../src/tasq.rs"]
#[allow(dead_code)]
mod tasq;
#[path = "../src/floor.rs"]
#[allow(dead_code)]
mod floor;
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let n: u32 = a[2].parse()?;
    let pre: u32 = a.get(3).map_or(Ok(2000), |s| s.parse())?;
    let dir = tempfile::tempdir_in(std::env::var("DIR").unwrap_or("/tmp".into()))?;
    let mut t = tasq::Tasq::new(&dir.path().join("q.db"), false)?;
    let mut f = floor::Floor::new(&dir.path().join("f.db"), false)?;
    for _ in 0..pre / 1000 { t.add_in_one(1000)?; f.add_in_one(1000)?; }
    t.complete_next(20)?; t.add(20)?; f.add(20)?; f.cycle_in_one(20)?;
    for _ in 0..3 {
    let s = Instant::now();
    match a[1].as_str() { "add" => t.add(n)?, "bulk" => t.add_in_one(n)?, "cc" => t.claim_complete(n)?, "cn" => t.complete_next(n)?, _ => {} }
    let o = s.elapsed();
    let s = Instant::now();
    match a[1].as_str() { "add" => f.add(n)?, "bulk" => f.add_in_one(n)?, "cc" => f.claim_complete(n)?, "cn" => f.cycle_in_one(n)?, _ => {} }
    let fl = s.elapsed();
    if n > 0 { eprintln!("{} ours {:.1} floor {:.1} ratio {:.3}", a[1], o.as_secs_f64()*1e6/n as f64, fl.as_secs_f64()*1e6/n as f64, fl.as_secs_f64()/o.as_secs_f64()); }
    }
    Ok(())
}
