//! Lines that another process of this machine keeps, asked for over a stream between the two.
//!
//! While a node is replaced by a newer process, the older one still serves connections. The line in the process is the newer
//! one's by then, and the older one goes on as a second node of it: its steps go over the stream, and are what they would be
//! over a shared store. So no mark is lost, and no visitor notices which of the two has answered.
//!
//! Each question has a number, and is answered under it, in whatever order. A frame is its length (4 bytes, little endian) and
//! postcard. Both sides must be of one [`VERSION`]; they say so before the first frame, to each other, elsewhere.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | a frame | [`FRAME_BYTES_MAX`] | the question fails |
//! | questions under way | [`ASKS_MAX`] | the next one waits |

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sluice_config::Name;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{Semaphore, mpsc, oneshot},
};

use super::{LineId, Store, StoreError, embedded::LAYOUT};
use crate::line::{Batch, Lookup, Minute, Outcome, Rules};

/// Version of what goes over the stream: of what a step is made of, and of the rest. The second rises when a serialized type
/// changes that is in no journal, such as [`Outcome`].
pub const VERSION: [u32; 2] = [LAYOUT, 1];

/// Longest frame: a batch that tells a lost line of a million seats.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Most questions under way at once.
pub const ASKS_MAX: usize = 1_024;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    /// For a step of a line.
    Sync {
        /// Whose line.
        line: (String, String),
        /// The rules of the queue's file.
        rules: Rules,
        /// What the step is made of.
        batch: Box<Batch>,
    },
    /// What has happened in each minute since one.
    Counts {
        /// Whose line.
        line: (String, String),
        /// The first minute.
        since_minute: u64,
    },
    /// What is known of a number.
    Find {
        /// Whose line.
        line: (String, String),
        /// Which number.
        number: u64,
    },
    /// For the value under a name; if there is none yet, it is this one.
    Share {
        /// The name.
        name: String,
        /// The value.
        value: Vec<u8>,
        /// How long it is kept.
        keep: Duration,
    },
    /// For the value under a name, if there is one.
    Shared {
        /// The name.
        name: String,
    },
}

/// The answer to the [`Question`] of the same name.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is what the question has asked for")]
pub enum Answer {
    Sync(Box<Outcome>),
    Counts(Vec<Minute>),
    Find(Option<Lookup>),
    Share(Vec<u8>),
    Shared(Option<Vec<u8>>),
    /// The store failed, for this reason.
    Failed(String),
}

/// The line that is meant.
///
/// # Errors
/// If these are no names.
pub fn line_of((tenant, queue): &(String, String)) -> Result<LineId, StoreError> {
    let name = |text: &str| Name::new(text).ok_or_else(|| StoreError::Away(format!("{text} is no name")));
    Ok(LineId { tenant: name(tenant)?, queue: name(queue)? })
}

/// Lines as this process has them of another one. When that is gone, every step fails.
#[derive(Debug)]
pub struct Lent {
    questions: mpsc::Sender<(Question, oneshot::Sender<Answer>)>,
}

/// Who waits for an answer, by the number of the question. `None`: no answer comes any more.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>>;

impl Lent {
    /// Asks over this stream. Needs a tokio context.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (questions, inbox) = mpsc::channel(ASKS_MAX);
        let (reader, writer) = tokio::io::split(stream);
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(ask(writer, inbox, waiting.clone()));
        tokio::spawn(async move {
            let error = hear(reader, &waiting).await.err();
            tracing::warn!(error = error.map(tracing::field::display), "the process that keeps the lines is gone");
            // Dropped, each learns that there is no answer.
            waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        Self { questions }
    }

    async fn answer(&self, question: Question) -> Result<Answer, StoreError> {
        let gone = || StoreError::Away("the process that keeps the lines is gone".to_owned());
        let (waiter, answer) = oneshot::channel();
        self.questions.send((question, waiter)).await.map_err(|_| gone())?;
        match answer.await.map_err(|_| gone())? {
            Answer::Failed(why) => Err(StoreError::Away(why)),
            answer => Ok(answer),
        }
    }

    /// The value under a name; if there is none yet, it is this one. It is kept for so long.
    ///
    /// # Errors
    /// If the other process does not answer.
    pub async fn share(&self, name: &str, value: &[u8], keep: Duration) -> Result<Vec<u8>, StoreError> {
        let question = Question::Share { name: name.to_owned(), value: value.to_owned(), keep };
        match self.answer(question).await? {
            Answer::Share(value) => Ok(value),
            _ => Err(astray()),
        }
    }

    /// The value under a name, if there is one.
    ///
    /// # Errors
    /// If the other process does not answer.
    pub async fn shared(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.answer(Question::Shared { name: name.to_owned() }).await? {
            Answer::Shared(value) => Ok(value),
            _ => Err(astray()),
        }
    }
}

impl Store for Lent {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        let question = Question::Sync { line: names(line), rules: rules.clone(), batch: Box::new(batch.clone()) };
        match self.answer(question).await? {
            Answer::Sync(outcome) => Ok(*outcome),
            _ => Err(astray()),
        }
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        match self.answer(Question::Counts { line: names(line), since_minute }).await? {
            Answer::Counts(minutes) => Ok(minutes),
            _ => Err(astray()),
        }
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        match self.answer(Question::Find { line: names(line), number }).await? {
            Answer::Find(found) => Ok(found),
            _ => Err(astray()),
        }
    }
}

fn names(line: &LineId) -> (String, String) {
    (line.tenant.to_string(), line.queue.to_string())
}

fn astray() -> StoreError {
    StoreError::Away("the process that keeps the lines has answered something else".to_owned())
}

/// Sends what is asked. Ends with the last who could ask, or when nothing can be sent any more.
async fn ask(
    mut writer: impl AsyncWrite + Unpin,
    mut inbox: mpsc::Receiver<(Question, oneshot::Sender<Answer>)>,
    waiting: Waiting,
) {
    for nth in 0_u64.. {
        let Some((question, waiter)) = inbox.recv().await else {
            // The other process hears that no more is asked, and ends its side.
            let _ = writer.shutdown().await;
            return;
        };
        // One that is too long fails alone: its waiter is dropped.
        let Ok(frame) = frame(&(nth, question)) else { continue };
        match &mut *waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(waiting) => {
                // A caller that has given up leaves no trace behind.
                waiting.retain(|_, waiter| !waiter.is_closed());
                waiting.insert(nth, waiter);
            }
            None => return,
        }
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// Hands out answers until there is none any more.
async fn hear(mut reader: impl AsyncRead + Unpin, waiting: &Waiting) -> io::Result<()> {
    while let Some((nth, answer)) = read::<(u64, Answer)>(&mut reader).await? {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = waiting.as_mut().and_then(|waiting| waiting.remove(&nth)) {
            // The caller may have given up.
            let _ = waiter.send(answer);
        }
    }
    Ok(())
}

/// Answers what the other process asks, until it asks no more.
///
/// # Errors
/// If the stream fails, or what comes is no question.
pub async fn lend<F>(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    answer: impl Fn(Question) -> F + Send,
) -> io::Result<()>
where
    F: Future<Output = Result<Answer, StoreError>> + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (done, mut answers) = mpsc::channel::<Vec<u8>>(ASKS_MAX);
    let writing = tokio::spawn(async move {
        while let Some(frame) = answers.recv().await {
            if writer.write_all(&frame).await.is_err() {
                return;
            }
        }
    });
    let places = Arc::new(Semaphore::new(ASKS_MAX));
    while let Some((nth, question)) = read::<(u64, Question)>(&mut reader).await? {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let (answering, done) = (answer(question), done.clone());
        tokio::spawn(async move {
            let answer = answering.await.unwrap_or_else(|error| Answer::Failed(error.to_string()));
            let framed = frame(&(nth, answer)).or_else(|error| frame(&(nth, Answer::Failed(error.to_string()))));
            if let Ok(framed) = framed {
                // The other process may be gone.
                let _ = done.send(framed).await;
            }
            drop(place);
        });
    }
    writing.abort();
    Ok(())
}

fn frame(what: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(what, vec![0; 4]).map_err(io::Error::other)?;
    let len = bytes.len() - 4;
    let said = u32::try_from(len).ok().filter(|_| len <= FRAME_BYTES_MAX).ok_or(io::ErrorKind::FileTooLarge)?;
    bytes[..4].copy_from_slice(&said.to_le_bytes());
    Ok(bytes)
}

/// The next frame; `None`: the stream has ended.
async fn read<T: DeserializeOwned>(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let len = match reader.read_u32_le().await {
        Ok(len) => len as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if len > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // As long as what has come, and not as long as somebody says.
    let mut bytes = Vec::new();
    if reader.take(len as u64).read_to_end(&mut bytes).await? < len {
        return Ok(None);
    }
    postcard::from_bytes(&bytes).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What is read of any bytes is written as them, and takes no more memory than they do.
    fn fuzzed(bytes: &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut rest = bytes;
            if let Ok(Some((nth, question))) = read::<(u64, Question)>(&mut rest).await {
                let written = frame(&(nth, &question)).unwrap();
                let (again, said) = read::<(u64, Question)>(&mut written.as_slice()).await.unwrap().unwrap();
                assert_eq!((again, format!("{said:?}")), (nth, format!("{question:?}")));
            }
            let _ = read::<(u64, Answer)>(&mut &*bytes).await;
        });
    }

    #[test]
    fn fuzzed_frames_are_questions_that_are_written_alike_or_none() {
        let line = || ("shop".to_owned(), "sale".to_owned());
        let (rules, batch) = (crate::usher::tests::rules(), Box::new(Batch::default()));
        let questions = [
            Question::Sync { line: line(), rules, batch },
            Question::Find { line: line(), number: 7 },
            Question::Share { name: "a".to_owned(), value: vec![1, 2], keep: Duration::from_secs(1) },
        ];
        let made = questions.iter().map(|question| frame(&(1_u64, question)).unwrap()).collect();
        crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "frames", made, 20_000, fuzzed);
    }
}
