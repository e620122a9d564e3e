//! SQL from a program: a DataFusion context with the tables and functions of a home.
//!
//! ```text
//! quanke demo --home quanke-demo && cargo run --example sql -- quanke-demo 2026-03-01T12:00:00+08:00
//! ```

use std::error::Error;
use std::path::Path;

use datafusion::prelude::SessionContext;
use quanke::audience::Audiences;
use quanke::base::{Timestamp, Zone};
use quanke::sql::{Source, register};
use quanke::store::Home;

const QUESTION: &str = "
    select event, count(*) as rows, bitmap_count(bitmap_agg(user_no)) as users
    from events
    where in_selection('did pay count >= 2')
    group by event
    order by users desc";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (home, as_of) = arguments.next().zip(arguments.next()).ok_or("usage: sql HOME AS_OF")?;
    let as_of = Timestamp::parse(&as_of, &Zone::default()).ok_or("AS_OF is no instant")?;
    let home = Home::at(Path::new(&home), "default")?;
    let source = Source::new(home.snapshot()?, Audiences::open(&home)?, as_of)?;
    let context = SessionContext::new();
    register(&context, &source)?;
    context.sql(QUESTION).await?.show().await?;
    Ok(())
}
