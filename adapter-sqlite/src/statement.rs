//! Statements with a fixed text, prepared once per connection.
//!
//! Diesel prepares `sql_query` and every UPDATE anew at each call, and `.limit()` binds its number, after which SQLite
//! plans the statement again unless it is built not to: 20 µs against 6. An UPDATE of a feature brings all its triggers
//! along, and preparing those takes a millisecond. So the hottest statements are types of their own, whose text never changes.

use std::marker::PhantomData;

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

/// Declares a statement: its name, its bound values, the types of its columns, and its text with a `?` for each value.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($bind:ident: $rust:ty => $sql_type:ty),* $(,)? } -> $row:ty = $text:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $bind: $rust,)*
            pub(crate) lives: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $name<'a> {
            /// The text, as SQLite gets it.
            pub(crate) const TEXT: &'static str = $text;

            #[allow(
                clippy::new_without_default,
                clippy::too_many_arguments,
                reason = "some statements bind nothing, some many values"
            )]
            pub(crate) const fn new($($bind: $rust),*) -> Self {
                Self { $($bind,)* lives: std::marker::PhantomData }
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $row;
        }

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name<'_> {}

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                const BINDS: usize = <[&str]>::len(&[$(stringify!($bind)),*]);
                // Split when this is compiled: Diesel walks here several times for each use.
                const PARTS: [&str; BINDS + 1] = $crate::statement::parts(<$name<'static>>::TEXT);
                let mut parts = PARTS.into_iter();
                out.push_sql(parts.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql_type, _>(&self.$bind)?;
                    out.push_sql(parts.next().unwrap_or_default());
                )*
                Ok(())
            }
        }
    };
}

pub(crate) use statement;

/// The parts of a text between its question marks, of which there must be one less.
pub(crate) const fn parts<const N: usize>(text: &'static str) -> [&'static str; N] {
    let mut parts = [""; N];
    let mut rest = text.as_bytes();
    let mut part = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at] == b'?' {
            let (before, after) = rest.split_at(at);
            parts[part] = utf8(before);
            part += 1;
            rest = after.split_at(1).1;
            at = 0;
        } else {
            at += 1;
        }
    }
    assert!(
        part + 1 == N,
        "a statement binds one value for each question mark"
    );
    parts[part] = utf8(rest);
    parts
}

const fn utf8(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("the parts of a text are text"),
    }
}

/// The text of a query, as SQLite gets it.
#[cfg(test)]
pub(crate) fn text(query: &impl QueryFragment<Sqlite>) -> String {
    use diesel::query_builder::QueryBuilder as _;

    let mut builder = diesel::sqlite::SqliteQueryBuilder::new();
    query
        .to_sql(&mut builder, &Sqlite)
        .expect("a text can be put together");
    builder.finish()
}

/// `UPDATE table SET … WHERE id = key`, whose text depends on `Row` alone: rows that set every column they have, NULL too.
pub(crate) struct Update<'a, Row, Set> {
    table: &'static str,
    set: Set,
    id: &'a str,
    row: PhantomData<Row>,
}

impl<'a, Row, Set> Update<'a, Row, Set> {
    pub(crate) fn new(table: &'static str, set: Set, id: &'a str) -> Self {
        Self {
            table,
            set,
            id,
            row: PhantomData,
        }
    }
}

impl<Row: 'static, Set> QueryId for Update<'_, Row, Set> {
    type QueryId = Update<'static, Row, ()>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Row, Set> RunQueryDsl<SqliteConnection> for Update<'_, Row, Set> {}

impl<Row, Set: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Update<'_, Row, Set> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        out.push_identifier(self.table)?;
        out.push_sql(" SET ");
        self.set.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Text, _>(self.id)
    }
}
