//! Tables and functions of a source, made known to a DataFusion context.

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::{Result, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::SessionContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;

use super::clock;
use super::content::Content;
use super::crowds::Crowds;
use super::details::Details;
use super::events::Events;
use super::mistakes::problems;
use super::source::Source;
use super::table::Table;
use super::users::Users;
use super::{bitmaps, selected};
use crate::base::Problems;

/// The schema in which every detail table has its own name, also one that is called `users`.
const DETAILS: &str = "details";

/// Makes the tables and functions of a source known to a context that the caller set up. Tables:
/// `users`, `events`, `crowds`, `crowd_versions`, each detail table as `details.NAME`, and by its bare
/// name where that is free. Functions: `in_selection`, `bitmap_agg`, `bitmap_count`, `bitmap_and`,
/// `bitmap_or`, `bitmap_andnot`, `bitmap_contains`.
/// Errors: SQL-003 when the context refuses, as one without a default schema does.
///
/// ```no_run
/// use datafusion::prelude::SessionContext;
/// use quanke::audience::Audiences;
/// use quanke::base::Timestamp;
/// use quanke::sql::{Source, register};
/// use quanke::store::Home;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let home = Home::at("quanke-home".as_ref(), "default")?;
/// let source = Source::new(home.snapshot()?, Audiences::open(&home)?, Timestamp(1_772_294_400_000))?;
/// let context = SessionContext::new();
/// register(&context, &source)?;
/// context.sql("select city, bitmap_count(bitmap_agg(user_no)) from users group by city").await?.show().await?;
/// # Ok(())
/// # }
/// ```
pub fn register(context: &SessionContext, source: &Source) -> Result<(), Problems> {
    tables(context, source).and_then(|()| functions(context, source)).map_err(|error| problems(error, ""))
}

/// A context of our own with everything of a source: names are as they are written (`vip_Level` needs no
/// quotes), a date without an offset is local to the home's zone, `now()` is the as-of, and what tells
/// the clock or chance is taken out. `threads` streams are read at a time; sorts and groups may hold
/// `memory` bytes and go to temporary files beyond that.
/// Errors: as [`register`].
pub fn session(source: &Source, threads: usize, memory: usize) -> Result<SessionContext, Problems> {
    let made = RuntimeEnvBuilder::new().with_memory_limit(memory, 1.0).build_arc();
    let runtime = made.map_err(|error| problems(error, ""))?;
    let mut config =
        SessionConfig::new().with_target_partitions(threads.max(1)).with_information_schema(true);
    settle(config.options_mut(), source);
    let context = SessionContext::new_with_config_rt(config, runtime);
    register(&context, source)?;
    for name in clock::TAKEN_OUT {
        context.deregister_udf(name);
    }
    clock::functions(source).into_iter().for_each(|function| context.register_udf(function));
    Ok(context)
}

fn settle(options: &mut ConfigOptions, source: &Source) {
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some(source.zone().name().to_string());
}

fn tables(context: &SessionContext, source: &Source) -> Result<()> {
    add(context, "users", Users::new(source.clone()))?;
    add(context, "events", Events::new(source.clone()))?;
    add(context, "crowds", Crowds::new(source.clone(), false))?;
    add(context, "crowd_versions", Crowds::new(source.clone(), true))?;
    let details = Arc::new(MemorySchemaProvider::new());
    for (name, facts) in &source.snapshot().catalog().tables {
        let table = Arc::new(Table::new(name, Details::new(source.clone(), name, facts)));
        details.register_table(name.clone(), table.clone())?;
        let bare = TableReference::bare(name.as_str());
        if !context.table_exist(bare.clone())? {
            context.register_table(bare, table)?;
        }
    }
    let defaults = context.copied_config();
    let catalog = context.catalog(&defaults.options().catalog.default_catalog);
    catalog.map_or(Ok(()), |catalog| catalog.register_schema(DETAILS, details).map(drop))
}

fn add<C: Content>(context: &SessionContext, name: &str, content: C) -> Result<()> {
    let table: Arc<dyn TableProvider> = Arc::new(Table::new(name, content));
    context.register_table(TableReference::bare(name), table).map(drop)
}

fn functions(context: &SessionContext, source: &Source) -> Result<()> {
    context.register_udaf(bitmaps::aggregate());
    bitmaps::scalars().into_iter().for_each(|function| context.register_udf(function));
    context.register_udf(selected::function(source));
    context.clone().register_function_rewrite(selected::rewrite())
}
