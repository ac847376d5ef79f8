//! The asking end.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::{Answer, FORMAT, Line, Request, socket};

/// How long a controller may take for an answer.
pub const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("the controller cannot be reached: {0}")]
    Unreachable(#[source] std::io::Error),
    /// It took too long.
    #[error("the controller did not answer within {} s", ANSWER_MAX.as_secs())]
    Silent,
    /// What it said is no answer.
    #[error("the controller's answer cannot be understood: {why}")]
    Garbled {
        /// Why not.
        why: String,
    },
}

/// Asks the controller of the job in this folder.
pub async fn ask(folder: &Path, request: &Request) -> Result<Answer, AskError> {
    match timeout(ANSWER_MAX, ask_at_leisure(folder, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::Silent),
    }
}

async fn ask_at_leisure(folder: &Path, request: &Request) -> Result<Answer, AskError> {
    let garbled = |why: String| AskError::Garbled { why };
    let stream = socket::connect(folder).await;
    let (read, mut write) = stream.map_err(AskError::Unreachable)?.into_split();
    let line = Line {
        format: FORMAT,
        body: request,
    };
    let mut text = serde_json::to_vec(&line).map_err(|error| garbled(error.to_string()))?;
    text.push(b'\n');
    let lost = AskError::Unreachable;
    write.write_all(&text).await.map_err(lost)?;
    let mut said = Vec::new();
    let mut read = BufReader::new(read).take(ANSWER_BYTES_MAX);
    read.read_until(b'\n', &mut said).await.map_err(lost)?;
    if said.pop_if(|last| *last == b'\n').is_none() {
        return Err(garbled("it ends in the middle".to_owned()));
    }
    let Line { format, body }: Line<Answer> =
        serde_json::from_slice(&said).map_err(|error| garbled(error.to_string()))?;
    if format != FORMAT {
        return Err(garbled(format!("it has format {format}")));
    }
    Ok(body)
}
