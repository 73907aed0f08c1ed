//! Where recordings come from, a few at a time: a file, a directory, a store.

use std::fs::{File, ReadDir};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Args;
use crate::cli::record::{cannot, events, open};
use crate::cli::{Failure, workspace};
use crate::engine::Event;
use crate::store::{AnyStore, ConversationKey, Store as _};
use crate::transcript::record::{Chunks, Header, Recording, redacted};

/// Names of a directory that are sorted at a time: all of a small one, and never more than this is held.
const NAMES: usize = 4_096;

/// What is played.
pub(super) enum Bytes {
    /// As it stands in a file.
    Chunk(Vec<u8>),
    /// As it stands in a store.
    Events(Box<Recording>),
    /// Nothing.
    Broken(String),
}

type Named = (Arc<str>, Bytes);

/// Where recordings come from.
pub(super) struct Source {
    from: From,
    store: Option<Arc<AnyStore>>,
    len: Option<u64>,
    tenant: Option<String>,
}

enum From {
    Files {
        names: std::vec::IntoIter<PathBuf>,
        more: Option<ReadDir>,
        open: Option<(Arc<str>, u64, Chunks<BufReader<File>>)>,
        any: bool,
        at: PathBuf,
    },
    Store {
        after: Option<ConversationKey>,
        page: std::vec::IntoIter<ConversationKey>,
        done: bool,
    },
}

impl Source {
    pub(super) fn open(args: &Args, executor: &tokio::runtime::Runtime) -> Result<Self, Failure> {
        let Some(path) = &args.recordings else {
            let (store, _) = executor.block_on(open(args.store.as_deref(), &args.workspace)).map_err(|f| {
                if args.store.is_some() { f } else { f.help("name a file or a directory of recordings, or a store with `--store URL`") }
            })?;
            let len = executor.block_on(store.stat()).map_err(|e| cannot(&e))?.conversations;
            let from = From::Store { after: None, page: Vec::new().into_iter(), done: false };
            return Ok(Self { from, store: Some(Arc::new(store)), len: Some(len), tenant: args.tenant.clone() });
        };
        let there = path.metadata().map_err(|e| workspace::unreadable(path, &e))?;
        let unreadable = |e: &std::io::Error| workspace::unreadable(path, e);
        let store = match &args.store {
            Some(url) => Some(Arc::new(executor.block_on(open(Some(url), &args.workspace))?.0)),
            None => None,
        };
        let (names, more, len) = if there.is_dir() {
            let count = path.read_dir().map_err(|e| unreadable(&e))?.filter(|e| e.as_ref().is_ok_and(|e| is_recording(&e.path()))).count();
            (Vec::new(), Some(path.read_dir().map_err(|e| unreadable(&e))?), u64::try_from(count).ok())
        } else {
            (vec![path.clone()], None, None)
        };
        let from = From::Files { names: names.into_iter(), more, open: None, any: false, at: path.clone() };
        Ok(Self { from, store, len, tenant: None })
    }

    /// The store, if one is named.
    pub(super) fn store(&self) -> Option<Arc<AnyStore>> {
        self.store.clone()
    }

    /// How many there are, if that is known beforehand.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// The next few.
    pub(super) fn next(&mut self, most: usize, bytes: usize, executor: &tokio::runtime::Runtime) -> Result<Vec<Named>, Failure> {
        match &mut self.from {
            From::Files { .. } => self.from.files(most, bytes),
            From::Store { .. } => {
                let Some(store) = self.store.clone() else { return Ok(Vec::new()) };
                executor.block_on(self.from.stored(&store, self.tenant.as_deref(), most, bytes))
            }
        }
    }
}

/// Bytes of an event as it is written.
fn written(event: &Event) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let _ = serde_json::to_writer(&mut count, event);
    count.0
}

fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "jsonl")
}

impl From {
    fn files(&mut self, most: usize, bytes: usize) -> Result<Vec<Named>, Failure> {
        let Self::Files { names, more, open, any, at } = self else { return Ok(Vec::new()) };
        let mut batch = Vec::new();
        let mut size = 0;
        while batch.len() < most && size < bytes {
            if let Some((name, number, chunks)) = open {
                match chunks.next() {
                    None => {
                        if *number == 0 {
                            batch.push((name.clone(), Bytes::Broken("it is empty: it is no recording".into())));
                        }
                        *open = None;
                    }
                    Some(chunk) => {
                        *number += 1;
                        let name = if *number == 1 { name.clone() } else { format!("{name}#{number}").into() };
                        let ended = chunk.is_err();
                        let chunk = chunk.map_or_else(|e| Bytes::Broken(e.to_string()), Bytes::Chunk);
                        size += if let Bytes::Chunk(chunk) = &chunk { chunk.len() } else { 0 };
                        batch.push((name, chunk));
                        if ended {
                            *open = None;
                        }
                    }
                }
                continue;
            }
            let Some(path) = names.next() else {
                let Some(dir) = more else { break };
                let mut found: Vec<PathBuf> =
                    dir.by_ref().filter_map(Result::ok).map(|e| e.path()).filter(|p| is_recording(p)).take(NAMES).collect();
                if found.is_empty() {
                    if !*any {
                        let why = format!("there are no recordings in `{}`", at.display());
                        return Err(
                            Failure::new(why).help("they are files that end in `.jsonl`: make some with `waypost record export --out DIR`")
                        );
                    }
                    break;
                }
                found.sort_unstable();
                *names = found.into_iter();
                continue;
            };
            *any = true;
            let name: Arc<str> = path.file_name().map_or_else(|| path.to_string_lossy(), |n| n.to_string_lossy()).into();
            match File::open(&path) {
                Ok(file) => *open = Some((name, 0, Chunks::new(BufReader::new(file)))),
                Err(error) => batch.push((name, Bytes::Broken(error.to_string()))),
            }
        }
        Ok(batch)
    }

    async fn stored(&mut self, store: &AnyStore, tenant: Option<&str>, most: usize, bytes: usize) -> Result<Vec<Named>, Failure> {
        let Self::Store { after, page, done } = self else { return Ok(Vec::new()) };
        let mut batch = Vec::new();
        let mut size = 0;
        while batch.len() < most && size < bytes {
            let Some(key) = page.next() else {
                if *done {
                    break;
                }
                let heads = store.heads(after.as_ref(), NAMES).await.map_err(|e| cannot(&e))?;
                *done = heads.len() < NAMES;
                if let Some((last, _)) = heads.last() {
                    *after = Some(last.clone());
                }
                *page = heads.into_iter().map(|(key, _)| key).collect::<Vec<_>>().into_iter();
                continue;
            };
            if tenant.is_some_and(|t| *t != *key.tenant) {
                continue;
            }
            let (events, whole) = events(store, &key).await.map_err(|e| cannot(&e))?;
            let header = Header::of(key.id.clone(), key.tenant.clone(), &events, whole);
            let events: Vec<Event> = events.iter().map(redacted).collect();
            size += events.iter().map(written).sum::<usize>();
            let name = format!("{}/{}", key.tenant, key.id).into();
            batch.push((name, Bytes::Events(Box::new(Recording::new(header, events)))));
        }
        Ok(batch)
    }
}
