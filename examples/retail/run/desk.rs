//! The desk: the workspace run in process, and a customer and an agent who talk to it, each by an own channel.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use waypost::driver::{Clock, Runtime, Turn, files};
use waypost::engine::input::Open;
use waypost::engine::{Actor, Answer, Command, Phase, Principal};
use waypost::outbound::{HttpPerformer, Secrets};
use waypost::store::{ConversationKey, MemoryStore};
use waypost::value::Name;

use super::shop::{Failed, Shop, Write};

/// Turns that an honest agent needs for one write, at most.
const TURNS: usize = 12;

/// The workspace over a shop.
pub struct Desk(Runtime<MemoryStore, HttpPerformer>);

impl Desk {
    /// Opens the workspace of that directory over the shop.
    pub fn open(workspace: &Path, shop: &Shop) -> Result<Self, Failed> {
        let checked = waypost::check::load(files::read_dir(workspace)?);
        let loaded = checked.loaded().ok_or("the workspace has errors: run `waypost check`")?;
        let http = HttpPerformer::new(loaded.workspace(), &Secrets::given([("RETAIL_URL", shop.url.clone())]), Clock::System.as_fn());
        Ok(Self(Runtime::new(loaded, MemoryStore::new(), http, Clock::System)?))
    }

    /// A conversation of a user whom the host calls so. What a host says of its caller proves nothing.
    pub async fn conversation(&self, user: &str) -> Result<Conversation<'_>, Failed> {
        let claims = json!({"identity": {"user_id": user, "verified": true}, "user_id": user, "customAttributes": {"user_id": user}});
        let open =
            Open { conversation: "".into(), tenant: "shop".into(), agent: "retail".into(), user_id: user.into(), user: Arc::new(claims) };
        Ok(Conversation { runtime: &self.0, key: self.0.open(open).await? })
    }
}

/// A conversation with a customer and an agent in it.
pub struct Conversation<'d> {
    runtime: &'d Runtime<MemoryStore, HttpPerformer>,
    key: ConversationKey,
}

impl Conversation<'_> {
    async fn turn(&self, actor: Actor, id: Option<&str>, turn: Turn) -> Result<Answer, Failed> {
        let result = self.runtime.turn(&self.key, actor, Principal::default(), id.map(Into::into), turn).await?;
        Ok(if result.answer.phase == Phase::Working { self.runtime.settled(&self.key, actor).await? } else { result.answer })
    }

    /// The customer says something.
    pub async fn user(&self, text: &str) -> Result<Answer, Failed> {
        self.turn(Actor::User, None, Turn::Message(text.into())).await
    }

    /// The agent sends a command.
    pub async fn agent(&self, command: Command) -> Result<Answer, Failed> {
        self.turn(Actor::Agent, None, Turn::Command(command)).await
    }

    /// The agent poses as the customer.
    pub async fn posing(&self, text: &str) -> Result<Answer, Failed> {
        self.turn(Actor::Agent, None, Turn::Message(text.into())).await
    }

    /// The customer's yes to a question that they were shown.
    pub async fn yes(&self, question: &str) -> Result<Answer, Failed> {
        self.turn(Actor::User, None, Turn::Command(Command::Confirm { question: Some(question.into()) })).await
    }

    /// The same, by a message that the channel may send twice.
    pub async fn yes_as(&self, message: &str, question: &str) -> Result<Answer, Failed> {
        self.turn(Actor::User, Some(message), Turn::Command(Command::Confirm { question: Some(question.into()) })).await
    }

    /// The agent starts the journey of a write, with all its details.
    pub async fn start(&self, write: &Write) -> Result<Answer, Failed> {
        self.agent(Command::Start { journey: Name::new(write.journey), variables: fields(write) }).await
    }

    /// The question that the customer is shown now.
    pub async fn question(&self) -> Result<Option<String>, Failed> {
        let shown = self.runtime.present(&self.key, Actor::User).await?;
        Ok(shown.question.map(|q| q.id.to_string()))
    }

    /// The customer tells who they are, as the words of the task have it: by e-mail, or by name and zip code.
    pub async fn introduce(&self, customer: &Value, words: &str) -> Result<Answer, Failed> {
        let email = customer["email"].as_str().unwrap_or_default();
        let zip = customer["address"]["zip"].as_str().unwrap_or_default();
        if words.contains(email) || !words.contains(zip) {
            return self.user(&format!("My e-mail address is {email}")).await;
        }
        let (first, last) = (&customer["name"]["first_name"], &customer["name"]["last_name"]);
        let (first_text, last_text) = (first.as_str().unwrap_or_default(), last.as_str().unwrap_or_default());
        self.user(&format!("I am {first_text} {last_text} and my zip code is {zip}.")).await?;
        let values = [("first_name", first), ("last_name", last), ("zip", &customer["address"]["zip"])];
        self.agent(Command::Fill(values.map(|(k, v)| (Name::new(k), v.clone())).to_vec())).await
    }

    /// The agent starts the journey with the details, and the customer says who they are where it asks. Where that leads.
    pub async fn lead(&self, write: &Write, customer: &Value, words: &str) -> Result<Answer, Failed> {
        let mut answer = self.start(write).await?;
        let mut introduced = false;
        for _ in 0..TURNS {
            answer = match (answer.phase, answer.journey.as_deref()) {
                (Phase::Collect, Some("identify")) if !introduced => {
                    introduced = true;
                    self.introduce(customer, words).await?
                }
                (Phase::Collect, Some("change-order-address" | "change-my-address")) => self.user("skip").await?,
                _ => break,
            };
        }
        Ok(answer)
    }

    /// All of it, with the yes of a customer who has read the question.
    pub async fn serve(&self, write: &Write, customer: &Value, words: &str) -> Result<Answer, Failed> {
        let answer = self.lead(write, customer, words).await?;
        match self.question().await? {
            Some(question) => self.yes(&question).await,
            None => Ok(answer),
        }
    }
}

/// The details of a write as commands take them; what is empty is left out.
pub fn fields(write: &Write) -> Vec<(Name, Value)> {
    write.values.iter().filter(|(_, v)| v.as_str() != Some("")).map(|(k, v)| (Name::new(k), v.clone())).collect()
}
