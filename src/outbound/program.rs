//! MCP servers that are programs on this machine: each is started when it is first called, spoken to over its standard input and output,
//! started again after it died, and ended with whoever started it.
//!
//! A program gets nothing of the environment but what programs need to run at all, and what its integration names.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::exchange::Now;
use super::failure::failure;
use super::secrets::{Secrets, inherited};
use crate::engine::CallFailure;
use crate::model::action::{ErrorKind, Integration};
use crate::model::settings::Limits;

/// How long a program may take to end once nobody speaks to it.
const LEAVING: Duration = Duration::from_secs(2);

/// How a server is started.
pub(super) struct Program {
    command: Vec<SecretString>,
    environment: Vec<(Arc<str>, SecretString)>,
    limits: Limits,
    now: Now,
}

impl Program {
    /// The program of an integration, its secrets looked up; it is not started yet.
    pub(super) fn new(integration: &Integration, secrets: &Secrets, limits: Limits, now: Now) -> Result<Self, CallFailure> {
        let wrong = |e| failure(ErrorKind::Internal, "misconfigured", false, format_args!("the integration `{}`: {e}", integration.slug));
        let command = integration.command.iter().map(|part| secrets.resolve(&part.value).map_err(wrong)).collect::<Result<_, _>>()?;
        let named = integration.environment.iter();
        let environment = named.map(|(n, text)| Ok((n.clone(), secrets.resolve(&text.value).map_err(wrong)?))).collect::<Result<_, _>>()?;
        Ok(Self { command, environment, limits, now })
    }

    /// The driver's time.
    pub(super) fn now(&self) -> &Now {
        &self.now
    }

    /// Starts it.
    pub(super) fn start(&self) -> io::Result<Piped> {
        let (program, args) = self.command.split_first().ok_or_else(|| io::Error::other("there is no program"))?;
        let mut command = Command::new(program.expose_secret());
        command.args(args.iter().map(ExposeSecret::expose_secret)).env_clear().envs(inherited());
        command.envs(self.environment.iter().map(|(name, value)| (&**name, value.expose_secret())));
        // What it says beside the protocol may hold anything. What a terminal sends to us is not for it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).process_group(0);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("its input and output are not there"));
        };
        let longest = usize::try_from(self.limits.response).unwrap_or(usize::MAX);
        Ok(Piped { child, pipes: AsyncRwTransport::new_client(output, input).with_max_line_length(longest) })
    }
}

/// A program at work. It is killed where this is dropped.
pub(super) struct Piped {
    child: Child,
    pipes: AsyncRwTransport<RoleClient, ChildStdout, ChildStdin>,
}

impl Transport<RoleClient> for Piped {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        self.pipes.send(item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.pipes.receive()
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.pipes.close().await?;
        if tokio::time::timeout(LEAVING, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}
