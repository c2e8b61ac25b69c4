-- The tables of a fleet as those of one host, for the queries of package sqlite/query:
-- the same names and columns, and what the hosts counted added up, without the days on which
-- another host has counted the same logs. Times keep the type of PostgreSQL, so that indexes
-- are used; see internal/pgsql. Who reads them needs the rights to the tables.

CREATE SCHEMA IF NOT EXISTS bouncetail_views;

-- A number of a failure is its event: an address seldom has many, so that the key finds it
-- with recipient_key.
CREATE OR REPLACE VIEW bouncetail_views.bounces WITH (security_invoker = true) AS
  SELECT event_id AS id, encode(event_id, 'hex') AS event_id, recipient_key, occurred_at, recipient, domain, original_recipient, sender, message_id, queue_id, host, mta, outcome,
    dsn, smtp_code, enhanced_code, reply, stage, relay_host, relay_ip, category, reason, scope, disposition, suppress::integer AS suppress, rule, provider, recipient_logged,
    relay_port, blocklist, retry_after, url, transport, router, instance
  FROM bouncetail.bounces;

CREATE OR REPLACE VIEW bouncetail_views.recipients WITH (security_invoker = true) AS
  SELECT recipient_key, recipient, domain, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since,
    bad_until, deciding_event_id AS deciding_bounce_id, NULL::bigint AS last_bounce_id, memory, seq, left_bad_seq
  FROM bouncetail.recipients;

CREATE OR REPLACE VIEW bouncetail_views.state_counts WITH (security_invoker = true) AS
  SELECT state, recipients
  FROM bouncetail.state_counts;

-- The hosts that are covered now: fleet_covered also has the day after the last one.
CREATE OR REPLACE VIEW bouncetail_views.covered_now WITH (security_invoker = true) AS
  SELECT instance, min(covered_by) AS covered_by
  FROM bouncetail.fleet_covered
  WHERE day >= (SELECT max(day) FROM bouncetail.daily_totals)
  GROUP BY instance;

CREATE OR REPLACE VIEW bouncetail_views.daily_totals WITH (security_invoker = true) AS
  SELECT day, sum(sent) AS sent, sum(deferred) AS deferred, sum(bounced) AS bounced, sum(expired) AS expired
  FROM bouncetail.daily_totals t
  WHERE NOT EXISTS (SELECT FROM bouncetail.fleet_covered c WHERE c.day = t.day AND c.instance = t.instance)
  GROUP BY day;

CREATE OR REPLACE VIEW bouncetail_views.daily_counts WITH (security_invoker = true) AS
  SELECT domain, day, sent, deferred, bounced, expired, instance
  FROM bouncetail.daily_counts t
  WHERE NOT EXISTS (SELECT FROM bouncetail.fleet_covered c WHERE c.day = t.day AND c.instance = t.instance);

CREATE OR REPLACE VIEW bouncetail_views.daily_reasons WITH (security_invoker = true) AS
  SELECT day, provider, category, reason, scope, failures, instance
  FROM bouncetail.daily_reasons t
  WHERE NOT EXISTS (SELECT FROM bouncetail.fleet_covered c WHERE c.day = t.day AND c.instance = t.instance);

CREATE OR REPLACE VIEW bouncetail_views.provider_windows WITH (security_invoker = true) AS
  SELECT span, start, provider, sent, deferred, bounced, expired, tried, refused, instance
  FROM bouncetail.provider_windows t
  WHERE NOT EXISTS (
    SELECT FROM (SELECT extract(epoch FROM day::date)::bigint AS start, instance FROM bouncetail.fleet_covered) c
    WHERE c.start = t.start - t.start % 86400 AND c.instance = t.instance);

CREATE OR REPLACE VIEW bouncetail_views.provider_baselines WITH (security_invoker = true) AS
  SELECT provider, sum(tried) AS tried, sum(refused) AS refused
  FROM bouncetail.provider_baselines t
  WHERE NOT EXISTS (SELECT FROM bouncetail_views.covered_now c WHERE c.instance = t.instance)
  GROUP BY provider;

CREATE OR REPLACE VIEW bouncetail_views.gaps WITH (security_invoker = true) AS
  SELECT id, noticed_at, source, path, bytes, why, instance
  FROM bouncetail.gaps;

-- A host that is covered now may have read other logs before.
CREATE OR REPLACE VIEW bouncetail_views.unparsed_lines WITH (security_invoker = true) AS
  SELECT mta, shape_hash, greatest(sum(count) FILTER (WHERE c.instance IS NULL), max(count)) AS count, max(last_read_at) AS last_read_at
  FROM bouncetail.unparsed_lines t
  LEFT JOIN bouncetail_views.covered_now c USING (instance)
  GROUP BY mta, shape_hash;

-- An incident has its number at the host, and behind it four digits of the host.
CREATE OR REPLACE VIEW bouncetail_views.incidents WITH (security_invoker = true) AS
  SELECT id * 10000 + instance AS id, kind, scope, category, reason, enhanced_code, coalesce(private_subject, subject) AS subject, started_at, last_at, opened_at, rang_at, over_at,
    ended_by, part_of * 10000 + instance AS part_of, backlog, tried, refused, baseline, p, attempts, addresses, domains, NULL::bigint AS bounce_id, reply, instance
  FROM bouncetail.incidents;

CREATE OR REPLACE VIEW bouncetail_views.crowds WITH (security_invoker = true) AS
  SELECT id, kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, domains, frozen::integer AS frozen
  FROM bouncetail.crowds;

CREATE OR REPLACE VIEW bouncetail_views.decisions WITH (security_invoker = true) AS
  SELECT recipient_key AS id, recipient, recipient_key, decision, note, decided_at, until, NULL::timestamptz AS ended_at
  FROM bouncetail.decisions
  WHERE decision <> '';

CREATE OR REPLACE VIEW bouncetail_views.releases WITH (security_invoker = true) AS
  SELECT row_number() OVER (ORDER BY made_at, instance, id) AS id, since, until, category, domain, reason, note, made_at AS released_at, withdrawn_at
  FROM bouncetail.releases
  WHERE NOT confirms;

CREATE OR REPLACE VIEW bouncetail_views.confirms WITH (security_invoker = true) AS
  SELECT row_number() OVER (ORDER BY made_at, instance, id) AS id, since, until, category, domain, reason, note, made_at AS confirmed_at, withdrawn_at
  FROM bouncetail.releases
  WHERE confirms;

CREATE OR REPLACE VIEW bouncetail_views.meta WITH (security_invoker = true) AS
  SELECT 'seq' AS name, seq AS value FROM bouncetail.fleet_clock
  UNION ALL
  SELECT 'hash_key', value::bigint FROM bouncetail.fleet_meta WHERE name = 'hash_key' AND value <> '0';

-- What two hosts have read and both count, in the last week.
CREATE OR REPLACE VIEW bouncetail_views.counted_twice WITH (security_invoker = true) AS
  SELECT one, other, sum(failures)::bigint AS failures
  FROM bouncetail.fleet_read_by_both b
  WHERE failures > 0 AND day > (SELECT to_char(max(day)::date - 7, 'YYYY-MM-DD') FROM bouncetail.daily_totals)
    AND NOT EXISTS (SELECT FROM bouncetail.fleet_covered c WHERE c.day = b.day AND c.instance IN (b.one, b.other))
  GROUP BY one, other;

CREATE OR REPLACE VIEW bouncetail_views.hosts WITH (security_invoker = true) AS
  SELECT instance AS host, number, version, last_seen, last_line_at, behind, gaps, extract(epoch FROM clock_timestamp() - last_seen)::bigint AS seen_ago, missed,
    (removed_at IS NOT NULL)::integer AS removed, shared,
    (SELECT o.instance FROM bouncetail_views.covered_now c JOIN bouncetail.fleet_instances o ON o.number = c.covered_by WHERE c.instance = i.number) AS covered_by,
    t.twice, t.shares_with
  FROM bouncetail.fleet_instances i
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(b.failures), 0)::bigint AS twice, string_agg(o.instance, ', ' ORDER BY o.instance) AS shares_with
    FROM bouncetail_views.counted_twice b
    JOIN bouncetail.fleet_instances o ON o.number = b.one + b.other - i.number
    WHERE i.number IN (b.one, b.other)) t;

GRANT USAGE ON SCHEMA bouncetail_views TO bouncetail_sender, bouncetail_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA bouncetail_views TO bouncetail_sender, bouncetail_reader;
