// @generated automatically by Diesel CLI.

diesel::table! {
    account_throttles (name_sha256) {
        name_sha256 -> Bytea,
        failures -> Int4,
        blocked_until -> Nullable<Timestamptz>,
        last_at -> Timestamptz,
    }
}

diesel::table! {
    addresses (canonical) {
        canonical -> Text,
        salt -> Bytea,
        cost -> Int4,
        created_at -> Timestamptz,
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
    departures (mail_id) {
        mail_id -> Uuid,
        canonical -> Text,
        letter -> Text,
        left_at -> Timestamptz,
    }
}

diesel::table! {
    mails (id) {
        id -> Uuid,
        user_id -> Uuid,
        letter -> Text,
        context -> Jsonb,
        state -> Text,
        queued_at -> Timestamptz,
        due_at -> Timestamptz,
        claimed_until -> Nullable<Timestamptz>,
        attempts -> Int4,
        last_reply -> Nullable<Text>,
        waits_for_server -> Bool,
        sent_at -> Nullable<Timestamptz>,
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
        password_hash -> Text,
        confirmed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(mails -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(users -> addresses (email_canonical));

diesel::allow_tables_to_appear_in_same_query!(addresses, departures, mails, sessions, users,);
