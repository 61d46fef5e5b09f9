//! `vestibule mail`: the fate of every letter, and a test letter that says what is wrong with the settings.

use std::fmt::Write as _;

use anyhow::{anyhow, bail};
use chrono::Utc;
use clap::{Args, Subcommand, ValueEnum};
use env_logger::Target;
use uuid::Uuid;
use vestibule::client::{Client, Occasion};
use vestibule::config::{Config, MailTransport, Settings};
use vestibule::db::Connection;
use vestibule::mail::fate::{self, Fate};
use vestibule::mail::{Delivery, DeliveryError, LetterKind, Words, advice};
use vestibule::server;
use vestibule::user::Email;

/// Look after the letters: what waits, what left, what was given up and why
#[derive(Args)]
pub(super) struct Mail {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the newest letters
    List {
        /// Only those of one state
        #[arg(long)]
        state: Option<State>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one letter
    Show {
        /// Its identity, as in the list
        id: Uuid,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a letter again now
    Retry {
        /// Its identity, as in the list
        #[arg(required_unless_present = "parked")]
        id: Option<Uuid>,
        /// All that were given up
        #[arg(long, conflicts_with = "id")]
        parked: bool,
    },
    /// Send a test letter, and say in plain words what is wrong if it does not leave
    Test {
        /// Where it goes
        address: String,
        /// Its language
        #[arg(long, default_value = "en")]
        language: String,
    },
}

/// What became of a letter.
#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// It waits.
    Queued,
    /// It left.
    Sent,
    /// It was given up.
    Parked,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Parked => "parked",
        }
    }
}

impl Mail {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // What a command says stands on standard output alone.
        server::start_log("warn,vestibule::server=error", Target::Stderr)?;
        super::runtime()?.block_on(async {
            match self.command {
                Command::List { state, limit, json } => {
                    let fates = super::with_database(&self.settings, async |conn| {
                        fate::list(conn, state.map(State::name), limit.into()).await
                    });
                    let fates = fates.await?;
                    super::print(if json { super::as_json(&fates)? } else { table(&fates) })
                }
                Command::Show { id, json } => {
                    let found = super::with_database(&self.settings, async |conn| fate::find(conn, id).await).await?;
                    let fate = found.ok_or_else(|| anyhow!("there is no letter {id}"))?;
                    super::print(if json { super::as_json(&fate)? } else { details(&fate) })
                }
                Command::Retry { id, .. } => {
                    let retry = async |conn: &mut Connection| fate::retry(conn, id, Utc::now()).await;
                    match (super::with_database(&self.settings, retry).await?, id) {
                        (0, Some(id)) => bail!("there is no letter {id} that was not sent"),
                        (count, _) => super::print(format!("{count} to be tried again now\n")),
                    }
                }
                Command::Test { address, language } => test(&self.settings, &address, &language).await,
            }
        })
    }
}

async fn test(settings: &Settings, address: &str, language: &str) -> anyhow::Result<()> {
    let email = Email::parse(address).map_err(|error| anyhow!("{address}: {error}"))?;
    let config = Config::new(settings, settings.listen)?;
    let delivery = Delivery::new(&config)?;
    let client = Client { ip: settings.listen.ip(), user_agent: Some("vestibule mail test".into()) };
    let occasion = Occasion { at: Utc::now(), client, language: language.to_owned(), request_id: String::new() };
    let words = Words::new(&config.service_name, email.as_typed(), &occasion);
    let letter = server::templates(settings)?.write(LetterKind::Test, language, &words)?;
    match delivery.send(Uuid::now_v7(), email.as_typed(), &letter, Utc::now()).await {
        Ok(reply) => {
            let way = match config.mail_transport {
                MailTransport::Smtp(_) => "the mail server took the letter",
                MailTransport::Mailbox(_) => {
                    "DEV_MAILBOX is on, or no SMTP_URL is set: the letter went into the development mailbox"
                }
            };
            super::print(format!("{way}\nreply: {reply}\n"))
        }
        Err(
            DeliveryError::ServerAway(reason) | DeliveryError::Temporary(reason) | DeliveryError::Permanent(reason),
        ) => Err(anyhow!("the letter did not leave: {reason}\n{}", advice(&reason))),
    }
}

fn table(fates: &[Fate]) -> String {
    if fates.is_empty() {
        return "no letters\n".to_owned();
    }
    let width = fates.iter().map(|fate| fate.to.chars().count()).max().unwrap_or(0).clamp(2, 40);
    let mut text = format!(
        "{:36}  {:6}  {:width$}  {:13}  {:20}  {:>5}  {}\n",
        "ID", "STATE", "TO", "LETTER", "PROMISED", "TRIES", "LAST REPLY"
    );
    for fate in fates {
        let reply = fate.last_reply.as_deref().unwrap_or("-").replace(['\r', '\n'], " ");
        let _ = writeln!(
            text,
            "{:36}  {:6}  {:width$}  {:13}  {:20}  {:>5}  {:.80}",
            fate.id,
            fate.state,
            fate.to,
            fate.letter,
            super::time(fate.queued_at),
            fate.attempts,
            reply
        );
    }
    text
}

fn details(fate: &Fate) -> String {
    let next = match fate.state.as_str() {
        "queued" if fate.waits_for_server => "as soon as the mail server is back".to_owned(),
        "queued" => super::time(fate.due_at),
        _ => "-".to_owned(),
    };
    format!(
        "id          {}\nstate       {}\nto          {}\nletter      {}\npromised    {}\ntries       {}\nnext try    {}\n\
         left        {}\nlast reply  {}\n",
        fate.id,
        fate.state,
        fate.to,
        fate.letter,
        super::time(fate.queued_at),
        fate.attempts,
        next,
        fate.sent_at.map_or_else(|| "-".to_owned(), super::time),
        fate.last_reply.as_deref().unwrap_or("-")
    )
}
