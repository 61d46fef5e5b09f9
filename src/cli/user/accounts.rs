//! One account at a time: what an operator is asked for on the telephone.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anyhow::{Context as _, anyhow, bail};
use chrono::Utc;
use clap::{Args, Subcommand};
use uuid::Uuid;
use vestibule::config::Settings;
use vestibule::db::Connection;
use vestibule::operator::{self, Account, AccountDetails, NewAccount};
use vestibule::password::{Hasher, Password, PasswordPolicy};
use vestibule::user::{Email, Username};

use crate::cli::{as_json, print, time, with_database};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List accounts, the newest first
    List {
        /// Only those whose address or username has this in it
        #[arg(long)]
        search: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one account: its sessions, letters and events
    Show {
        #[command(flatten)]
        who: Who,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an account; the password is read from standard input
    Create {
        /// Its address
        email: String,
        /// Its username
        #[arg(long)]
        username: Option<String>,
        /// With its address confirmed, by the operator's word
        #[arg(long)]
        confirmed: bool,
    },
    /// Confirm the address of an account, by the operator's word
    Confirm(Who),
    /// Shut an account: its sessions end, and nobody can sign in
    Disable(Who),
    /// Open an account again
    Enable(Who),
    /// Delete an account with everything that belongs to it
    Delete {
        #[command(flatten)]
        who: Who,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// End all sessions of an account
    SignOut(Who),
    /// Set the password of an account, read from standard input; its sessions end
    SetPassword(Who),
}

/// Which account.
#[derive(Args)]
pub(super) struct Who {
    /// Its address, username or identity; an address means its confirmed account, else the newest
    account: String,
}

impl Command {
    pub(super) async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        match self {
            Self::List { search, limit, json } => {
                let list = async |conn: &mut Connection| operator::list(conn, search.as_deref(), limit.into()).await;
                let accounts = with_database(settings, list).await?;
                print(if json { as_json(&accounts)? } else { table(&accounts) })
            }
            Self::Show { who, json } => {
                let found = with_database(settings, async |conn| operator::show(conn, &who.account, Utc::now()).await);
                let details = found.await?.ok_or_else(|| who.unknown())?;
                print(if json { as_json(&details)? } else { show(&details) })
            }
            Self::Create { email, username, confirmed } => {
                let name = username.as_deref();
                let id = create(settings, &email, name, confirmed).await?;
                print(format!("{id}\n"))
            }
            Self::Confirm(who) => who.change(settings, operator::Change::Confirm, "confirmed").await,
            Self::Disable(who) => who.change(settings, operator::Change::Disable, "disabled, and signed out").await,
            Self::Enable(who) => who.change(settings, operator::Change::Enable, "enabled").await,
            Self::SignOut(who) => who.change(settings, operator::Change::SignOut, "signed out everywhere").await,
            Self::Delete { who, yes } => {
                if !yes && !is_sure(&who.account)? {
                    bail!("nothing was deleted");
                }
                who.change(settings, operator::Change::Delete, "deleted").await
            }
            Self::SetPassword(who) => who.set_password(settings).await,
        }
    }
}

impl Who {
    fn unknown(&self) -> anyhow::Error {
        anyhow!("there is no account {}", self.account)
    }

    async fn change(&self, settings: &Settings, change: operator::Change, done: &str) -> anyhow::Result<()> {
        let changing =
            with_database(settings, async |conn| operator::change(conn, &self.account, change, Utc::now()).await);
        match changing.await.context("the account was not changed")? {
            operator::Changed::Done(account) => print(format!("{} ({}) is {done}\n", account.email, account.id)),
            operator::Changed::Unknown => Err(self.unknown()),
            operator::Changed::AddressTaken => bail!("the address of {} belongs to another account", self.account),
            operator::Changed::Ambiguous(accounts) => {
                let each = accounts.iter().map(|account| format!("{} of {}", account.id, time(account.created_at)));
                let each = each.collect::<Vec<_>>().join(", ");
                bail!("several people registered {}, name one by its identity: {each}", self.account)
            }
        }
    }

    async fn set_password(&self, settings: &Settings) -> anyhow::Result<()> {
        let found = with_database(settings, async |conn| operator::find_with_parameters(conn, &self.account).await);
        let (account, parameters) = found.await?.ok_or_else(|| self.unknown())?;
        let words = [account.email.clone(), account.username.clone().unwrap_or_default()];
        let password = read_password(settings, &words)?;
        let hash = Hasher::start(1)?.hash(&password, &parameters).await?;
        let set = async |conn: &mut Connection| {
            operator::set_password(conn, account.id, &hash, &parameters, Utc::now()).await
        };
        if !with_database(settings, set).await? {
            bail!("the account changed meanwhile; try again");
        }
        print(format!("the password of {} is set, and its sessions have ended\n", account.email))
    }
}

async fn create(settings: &Settings, email: &str, username: Option<&str>, is_confirmed: bool) -> anyhow::Result<Uuid> {
    let email = Email::parse(email).map_err(|error| anyhow!("{email}: {error}"))?;
    let username = username.map(Username::parse).transpose().map_err(|error| anyhow!("the username {error}"))?;
    let words = [email.as_typed().to_owned(), username.as_ref().map_or("", Username::as_typed).to_owned()];
    let password = read_password(settings, &words)?;
    let (cost, now) = (settings.bcrypt_cost, Utc::now());
    let parameters =
        with_database(settings, async |conn| operator::parameters_for(conn, &email, cost, now).await).await?;
    let hash = Hasher::start(1)?.hash(&password, &parameters).await?;
    let new =
        NewAccount { email: &email, username: username.as_ref(), hash: &hash, parameters: &parameters, is_confirmed };
    match with_database(settings, async |conn| operator::create(conn, &new, now).await).await? {
        operator::Created::Done(id) => Ok(id),
        operator::Created::AddressTaken => bail!("the address belongs to an account already"),
        operator::Created::UsernameTaken => bail!("the username belongs to an account already"),
        operator::Created::Outrun => bail!("somebody signed in to the address at the same moment: try again"),
    }
}

/// One line of standard input, under the policy of the service. Never an argument: other users of the machine see those.
fn read_password(settings: &Settings, words: &[String]) -> anyhow::Result<Password> {
    let line = read_hidden_line().context("standard input")?;
    let typed = line.trim_end_matches(['\r', '\n']);
    let policy = PasswordPolicy { min_length: settings.password_min_length.into() };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    policy.check(typed, &words).map_err(|error| anyhow!("the password {error}"))?;
    Ok(Password::new(typed))
}

fn read_hidden_line() -> std::io::Result<String> {
    let terminal = console::Term::stderr();
    if std::io::stdin().is_terminal() && terminal.is_term() {
        eprint!("new password (it is not shown): ");
        return terminal.read_secure_line();
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line)
}

fn is_sure(account: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("deleting asks first; --yes says so where nobody can answer");
    }
    eprint!("delete {account} with everything that belongs to it? Type yes: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn table(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "no accounts\n".to_owned();
    }
    let width = |of: fn(&Account) -> usize, least: usize| accounts.iter().map(of).max().unwrap_or(0).clamp(least, 40);
    let email = width(|account| account.email.chars().count(), 7);
    let username = width(|account| account.username.as_deref().unwrap_or("-").chars().count(), 8);
    let mut text = format!("{:36}  {:email$}  {:username$}  {:11}  REGISTERED\n", "ID", "ADDRESS", "USERNAME", "STATE");
    for account in accounts {
        let _ = writeln!(
            text,
            "{:36}  {:email$}  {:username$}  {:11}  {}",
            account.id,
            account.email,
            account.username.as_deref().unwrap_or("-"),
            account.state(),
            time(account.created_at)
        );
    }
    text
}

fn show(details: &AccountDetails) -> String {
    let Account { id, email, username, created_at, .. } = &details.account;
    let name = username.as_deref().unwrap_or("-");
    let state = details.account.state();
    let registered = time(*created_at);
    let mut text = format!(
        "id          {id}\naddress     {email}\nusername    {name}\nstate       {state}\nregistered  {registered}\n"
    );
    let _ = writeln!(text, "\nsessions    {}", details.sessions.len());
    for session in &details.sessions {
        let _ = writeln!(text, "  {}  {}  {}", time(session.last_seen_at), session.ip, session.device);
    }
    let _ = writeln!(text, "\nletters     {}", details.mails.len());
    for mail in &details.mails {
        let _ = writeln!(text, "  {}  {:6}  {}", time(mail.queued_at), mail.state, mail.letter);
    }
    let _ = writeln!(text, "\nevents      {}", details.events.len());
    for event in &details.events {
        let from = event.ip.map_or_else(|| "operator".to_owned(), |ip| ip.addr().to_string());
        let _ = writeln!(text, "  {}  {:24}  {from}", time(event.at), event.kind);
    }
    text
}
