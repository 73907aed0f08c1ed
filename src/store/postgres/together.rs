//! Statements that are sent together: those of one connection are done in their order, so none has to wait for the answer to the one before.

use std::future::poll_fn;
use std::task::Poll;

use deadpool_postgres::Object;
use futures_util::future::{BoxFuture, maybe_done};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

/// A value of a statement.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// Statements for one connection, in their order.
#[derive(Default)]
pub(super) struct Together<'a> {
    all: Vec<(&'static str, Option<Vec<Value<'a>>>)>,
}

/// Where the answer to a statement is; nowhere, if it was not sent for want of rows.
pub(super) struct Place(Option<usize>);

/// The rows that came back.
pub(super) struct Answers(Vec<Vec<Row>>);

impl Answers {
    /// Those of one statement.
    pub(super) fn to(&self, place: &Place) -> &[Row] {
        place.0.and_then(|n| self.0.get(n)).map_or(&[], Vec::as_slice)
    }
}

enum Ready<'a> {
    Plain(&'static str),
    With(Statement, &'a [Value<'a>]),
}

impl<'a> Together<'a> {
    /// Statements without values, and without answers.
    pub(super) fn plain(&mut self, sql: &'static str) {
        self.all.push((sql, None));
    }

    /// One with values.
    pub(super) fn one(&mut self, sql: &'static str, values: Vec<Value<'a>>) {
        self.all.push((sql, Some(values)));
    }

    /// One for many rows: each of its values is a list, a column of theirs. Not sent where there are no rows.
    pub(super) fn each<R>(&mut self, sql: &'static str, rows: Vec<R>) -> Place
    where
        Vec<R>: Columns<'a>,
    {
        if rows.is_empty() {
            return Place(None);
        }
        self.one(sql, rows.columns());
        Place(Some(self.all.len() - 1))
    }

    /// Sends them all, and gives what came back. The first that failed says why.
    pub(super) async fn send(self, client: &Object) -> Result<Answers, Error> {
        let mut ready = Vec::with_capacity(self.all.len());
        for (sql, values) in &self.all {
            ready.push(match values {
                None => Ready::Plain(sql),
                // Prepared once for each connection.
                Some(values) => Ready::With(client.prepare_cached(sql).await?, values),
            });
        }
        let mut sent: Vec<_> = ready.iter().map(|one| Box::pin(maybe_done(one.run(client)))).collect();
        // Each is sent when it is first polled, so that they go out in their order.
        poll_fn(|cx| {
            let waiting = sent.iter_mut().filter_map(|one| one.as_mut().poll(cx).is_pending().then_some(())).count();
            if waiting > 0 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        sent.iter_mut().filter_map(|one| one.as_mut().take_output()).collect::<Result<_, _>>().map(Answers)
    }
}

impl Ready<'_> {
    fn run<'r>(&'r self, client: &'r Object) -> BoxFuture<'r, Result<Vec<Row>, Error>> {
        Box::pin(async move {
            match self {
                Self::Plain(sql) => client.batch_execute(sql).await.map(|()| Vec::new()),
                Self::With(statement, values) => {
                    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| &**v as _).collect();
                    client.query(statement, &values).await
                }
            }
        })
    }
}

/// Rows, column by column.
pub(super) trait Columns<'a> {
    /// Each column as a list.
    fn columns(self) -> Vec<Value<'a>>;
}

macro_rules! columns {
    ($($column:ident $value:ident)+) => {
        impl<'a, $($column: ToSql + Sync + Send + 'a),+> Columns<'a> for Vec<($($column,)+)> {
            #[expect(non_snake_case, reason = "a column is called as its type")]
            fn columns(self) -> Vec<Value<'a>> {
                $(let mut $column = Vec::with_capacity(self.len());)+
                for ($($value,)+) in self {
                    $($column.push($value);)+
                }
                vec![$(Box::new($column)),+]
            }
        }
    };
}
columns!(A a);
columns!(A a B b);
columns!(A a B b C c);
columns!(A a B b C c D d);
columns!(A a B b C c D d E e);
columns!(A a B b C c D d E e F f);
columns!(A a B b C c D d E e F f G g);
columns!(A a B b C c D d E e F f G g H h I i J j);
