// @generated automatically by Diesel CLI.

diesel::table! {
    account_events (id) {
        id -> Uuid,
        user_id -> Uuid,
        kind -> Text,
        actor -> Text,
        at -> Timestamptz,
        ip -> Nullable<Inet>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    addresses (canonical) {
        canonical -> Text,
        parameters -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    cleanup_runs (task) {
        task -> Text,
        next_at -> Timestamptz,
    }
}

diesel::table! {
    client_throttles (client, action) {
        client -> Inet,
        action -> Text,
        count -> Int4,
        window_ends_at -> Timestamptz,
    }
}

diesel::table! {
    code_tries (mail_id) {
        mail_id -> Uuid,
        user_ids -> Array<Nullable<Uuid>>,
    }
}

diesel::table! {
    email_changes (id) {
        id -> Uuid,
        user_id -> Uuid,
        old_email -> Text,
        new_email -> Text,
        requested_at -> Timestamptz,
        confirmed_at -> Nullable<Timestamptz>,
        undone_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    login_throttles (name_sha256, client) {
        name_sha256 -> Bytea,
        client -> Inet,
        failures -> Int4,
        blocked_until -> Nullable<Timestamptz>,
        last_at -> Timestamptz,
        known_until -> Nullable<Timestamptz>,
        forgotten_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    mail_budgets (mailbox, kind) {
        mailbox -> Text,
        kind -> Text,
        sent_at -> Timestamptz,
        full_at -> Timestamptz,
    }
}

diesel::table! {
    outbox (id) {
        id -> Uuid,
        user_id -> Nullable<Uuid>,
        address -> Text,
        canonical -> Text,
        kind -> Text,
        email_change_id -> Nullable<Uuid>,
        request_context -> Jsonb,
        state -> Text,
        queued_at -> Timestamptz,
        due_at -> Timestamptz,
        claimed_until -> Nullable<Timestamptz>,
        is_asked_again -> Bool,
        attempts -> Int4,
        last_reply -> Nullable<Text>,
        waits_for_server -> Bool,
        sent_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    registrations (user_id) {
        user_id -> Uuid,
        token_sha256 -> Bytea,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        token_sha256 -> Bytea,
        user_id -> Uuid,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        expires_at -> Timestamptz,
        idle_seconds -> Int4,
        is_remembered -> Bool,
        ip -> Inet,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        email_canonical -> Text,
        username -> Nullable<Text>,
        username_canonical -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        password_set_at -> Nullable<Timestamptz>,
        credential_version -> Uuid,
        registered_from -> Nullable<Inet>,
        confirmed_at -> Nullable<Timestamptz>,
        disabled_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(account_events -> users (user_id));
diesel::joinable!(code_tries -> outbox (mail_id));
diesel::joinable!(email_changes -> users (user_id));
diesel::joinable!(outbox -> users (user_id));
diesel::joinable!(registrations -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(users -> addresses (email_canonical));

diesel::allow_tables_to_appear_in_same_query!(
    account_events,
    addresses,
    cleanup_runs,
    client_throttles,
    code_tries,
    email_changes,
    login_throttles,
    mail_budgets,
    outbox,
    registrations,
    sessions,
    users,
);
