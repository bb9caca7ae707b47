"""Every query of the ledger, named and described. Parameters are named after the columns they meet."""

from __future__ import annotations

# --- meta and fences ---------------------------------------------------------------------------------------------

META = "SELECT key, value FROM meta"
"""All of meta: schema version, boot counter, dropped writes."""

META_VALUE = "SELECT value FROM meta WHERE key = :key"
"""One value of meta."""

SET_META = "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = :value"
"""Set one value of meta."""

DELETE_META = "DELETE FROM meta WHERE key = :key"
"""Remove one value of meta."""

COUNT_UP = (
    "INSERT INTO meta (key, value) VALUES (:key, '1') "
    "ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING CAST(value AS INTEGER)"
)
"""Add one to a counter in meta and say what it is now (the boot counter, the stale writes dropped)."""

LATEST_EPOCH = "SELECT coalesce(max(epoch), 0) FROM fences"
"""The highest epoch seen of any writer."""

FENCE_OF = "SELECT epoch FROM fences WHERE writer = :writer"
"""The highest epoch seen of one writer."""

SET_FENCE = (
    "INSERT INTO fences (writer, epoch) VALUES (:writer, :epoch) ON CONFLICT (writer) DO UPDATE SET epoch = :epoch"
)
"""Raise a writer's fence."""

# --- cases -------------------------------------------------------------------------------------------------------

CASE = 'SELECT * FROM cases WHERE "case" = :case'
"""One case."""

CASES = 'SELECT * FROM cases ORDER BY priority DESC, coalesce(admitted, seen), seen, "case"'
"""All cases, by priority, then age."""

CASES_IN_STATES = (
    "SELECT * FROM cases WHERE state IN (SELECT value FROM json_each(:states)) "
    'OR "case" IN (SELECT "case" FROM cases WHERE cleaned = 0 AND :uncleaned '
    "AND state IN ('done', 'failed', 'cancelled')) "
    'ORDER BY priority DESC, coalesce(admitted, seen), seen, "case"'
)
"""Cases in the given states (JSON list); with ``uncleaned`` also ended ones whose files are still there."""

NEWS_OF_CASES = (
    'SELECT * FROM cases WHERE "case" IN (SELECT "case" FROM events WHERE number > :after) '
    "AND +state IN (SELECT value FROM json_each(:states)) "
    'ORDER BY priority DESC, coalesce(admitted, seen), seen, "case"'
)
"""Cases in the given states (JSON list) of whose history there is a line after a number."""

CASE_COUNTS = "SELECT state, number FROM counts WHERE what = 'case' AND kind = :kind AND number > 0"
"""How many cases of a kind are in each state."""

KNOWN_CASES = (
    'SELECT rowid AS place, "case", identity, state, path, delivery_keys, seen, partial, reason FROM cases '
    "WHERE rowid > :after AND kind = 'delivery' ORDER BY rowid LIMIT :limit"
)
"""What the scanner needs of delivered cases, in the order in which they were seen first."""

ADD_CASE = (
    'INSERT INTO cases ("case", identity, state, reason, path, plan_uid, study_uid, delivery_keys, seen) '
    "VALUES (:case, :identity, :state, :reason, :path, :plan_uid, :study_uid, :delivery_keys, :at)"
)
"""A case seen for the first time."""

SIGHT_CASE = (
    "UPDATE cases SET identity = :identity, reason = :reason, path = :path, plan_uid = :plan_uid, "
    'study_uid = :study_uid, delivery_keys = :delivery_keys WHERE "case" = :case'
)
"""A case that is not complete, seen again."""

ADMIT_CASE = (
    "UPDATE cases SET identity = :identity, state = :state, held_from = :held_from, reason = :reason, path = :path, "
    "plan_uid = :plan_uid, study_uid = :study_uid, delivery_keys = :delivery_keys, partial = :partial, "
    'supersedes = :supersedes, source = :source, admitted = :at, ended = NULL, cleaned = 0 WHERE "case" = :case'
)
"""A case complete: what it consists of is fixed from here on."""

SUPERSEDE = 'UPDATE cases SET superseded_by = :by WHERE "case" = :case'
"""There is a later version of it."""

MOVE_CASE = (
    "UPDATE cases SET state = :state, held_from = :held_from, reason = :reason, started = :started, ended = :ended, "
    'cleaned = :cleaned WHERE "case" = :case'
)
"""A case in its next state."""

EXPLAIN_WAITING_CASE = (
    "UPDATE cases SET reason = :reason WHERE \"case\" = :case AND state IN ('queued', 'running') AND reason <> :reason"
)
"""Why a case waits that is being worked on."""

EXPLAIN_CASE = 'UPDATE cases SET reason = :reason WHERE "case" = :case'
"""Why a case is where it is."""

SET_INTERPRETATION = 'UPDATE cases SET interpretation = :json WHERE "case" = :case'
"""Replace the interpretation."""

SET_VERDICT = 'UPDATE cases SET verdict = :json WHERE "case" = :case'
"""Replace the verdict."""

SET_PRIORITY = 'UPDATE cases SET priority = :priority WHERE "case" = :case'
"""Change the priority."""

SET_CLEANED = 'UPDATE cases SET cleaned = 1 WHERE "case" = :case'
"""Run directories and working files are gone."""

# --- deliveries --------------------------------------------------------------------------------------------------

CLAIMS = 'SELECT key, "case" FROM deliveries WHERE key IN (SELECT value FROM json_each(:keys))'
"""Who holds these deliveries (JSON list of keys)."""

CLAIM = 'INSERT INTO deliveries (key, "case") VALUES (:key, :case) ON CONFLICT (key) DO UPDATE SET "case" = :case'
"""Claim a delivery; who else may hold it was asked before, in the same transaction."""

# --- beams -------------------------------------------------------------------------------------------------------

ALL_BEAMS = 'SELECT * FROM beams ORDER BY "case", number'
"""The beams of all cases."""

BEAMS = 'SELECT * FROM beams WHERE "case" IN (SELECT value FROM json_each(:cases)) ORDER BY "case", number'
"""The beams of these cases (JSON list)."""

BEAM = 'SELECT * FROM beams WHERE "case" = :case AND number = :beam'
"""One beam."""

ADD_BEAM = "INSERT INTO beams (\"case\", number, name, state) VALUES (:case, :beam, :name, 'pending')"
"""A beam of a case that is admitted."""

MOVE_BEAM = (
    'UPDATE beams SET state = :state, reason = :reason, progress = :progress WHERE "case" = :case AND number = :beam'
)
"""A beam in its next state."""

FORGIVE_BEAM = 'UPDATE beams SET forgiven = attempt WHERE "case" = :case AND number = :beam'
"""The attempts up to now count against no budget any more."""

EXPLAIN_BEAM = 'UPDATE beams SET reason = :reason WHERE "case" = :case AND number = :beam'
"""Why a beam waits."""

ASSIGN_BEAM = (
    "UPDATE beams SET attempt = :attempt, host = :host, gpu = :gpu, progress = 0, reason = '' "
    'WHERE "case" = :case AND number = :beam'
)
"""A beam is given to a GPU for one attempt."""

RAISE_BEAM_PROGRESS = (
    "UPDATE beams SET progress = max(progress, :progress) "
    'WHERE "case" = :case AND number = :beam AND attempt = :attempt'
)
"""A beam's progress; never back within an attempt."""

# --- attempts ----------------------------------------------------------------------------------------------------

ATTEMPT = "SELECT * FROM attempts WHERE key = :key"
"""One attempt."""

ATTEMPTS = 'SELECT * FROM attempts WHERE "case" = :case ORDER BY rowid'
"""The attempts of a case, oldest first."""

OPEN_ATTEMPTS_OF = (
    "SELECT * FROM attempts WHERE worker = :worker AND state IN (SELECT value FROM json_each(:states)) ORDER BY rowid"
)
"""The attempts that a worker is answerable for, oldest first."""

GPU_FAILURES = (
    "SELECT key, key IN (SELECT key FROM pardons) OR rowid < coalesce("
    "(SELECT max(rowid) FROM attempts WHERE worker = :worker AND gpu = :gpu AND state = 'verified'), 0) AS over, "
    "CASE WHEN json_valid(evidence) THEN json_extract(evidence, '$.blame') IN ('engine', 'gpu') ELSE 1 END "
    'AND EXISTS (SELECT 1 FROM attempts AS good WHERE good."case" = run."case" AND good.beam = run.beam '
    "AND good.state = 'verified' AND (good.host, good.gpu) <> (run.host, run.gpu)) AS blamed "
    "FROM attempts AS run WHERE worker = :worker AND gpu = :gpu AND state = 'failed' ORDER BY rowid DESC LIMIT 256"
)
"""Failed runs of a worker's GPU, newest first: which of them count no more, and which succeeded on another GPU."""

GPU_GOOD = (
    "SELECT key FROM attempts WHERE worker = :worker AND gpu = :gpu AND state = 'verified' "
    "ORDER BY rowid DESC LIMIT 256"
)
"""The latest good runs of a worker's GPU."""

ADD_PARDONS = (
    "INSERT OR IGNORE INTO pardons (key) SELECT key FROM attempts AS run WHERE worker = :worker AND state = 'failed' "
    "AND rowid > coalesce((SELECT max(rowid) FROM attempts WHERE worker = :worker AND gpu = run.gpu "
    "AND state = 'verified'), 0) RETURNING key"
)
"""Hold the failed runs of a worker's GPUs since their last good ones against them no more."""

LAST_ATTEMPT = 'SELECT * FROM attempts WHERE "case" = :case AND beam = :beam ORDER BY attempt DESC LIMIT 1'
"""The latest attempt of a beam."""

ADD_ATTEMPT = (
    'INSERT INTO attempts (key, "case", beam, attempt, state, host, gpu, worker, epoch, run_dir, request) '
    "VALUES (:key, :case, :beam, :attempt, 'intended', :host, :gpu, :worker, :epoch, :run_dir, :request)"
)
"""The intent of one run."""

MOVE_ATTEMPT = (
    "UPDATE attempts SET state = :state, evidence = :evidence, launched = :launched, ended = :ended, "
    "progress = :progress WHERE key = :key"
)
"""An attempt in its next state."""

RAISE_ATTEMPT_PROGRESS = (
    "UPDATE attempts SET progress = max(progress, :progress) "
    'WHERE "case" = :case AND beam = :beam AND attempt = :attempt'
)
"""An attempt's progress; never back."""

GOOD_RUNS = (
    "SELECT key, attempts.host, gpu, coalesce(model, '') AS model, request, launched, ended FROM attempts "
    "LEFT JOIN gpus ON gpus.host = attempts.host AND gpus.uuid = attempts.gpu "
    "WHERE attempts.state = 'verified' AND launched <> '' AND ended <> '' ORDER BY attempts.rowid DESC LIMIT :limit"
)
"""The latest verified runs, newest first."""

RUNNING = (
    "SELECT key, attempts.host, gpu, coalesce(model, '') AS model, request, launched, ended FROM attempts "
    "LEFT JOIN gpus ON gpus.host = attempts.host AND gpus.uuid = attempts.gpu "
    "WHERE attempts.state IN ('intended', 'staged', 'launching', 'running', 'ended', 'collected') "
    "AND attempts.state = 'running'"
)
"""What runs now."""

AFTER_RUNS = (
    'SELECT ended, (SELECT max(at) FROM events WHERE events."case" = cases."case" '
    "AND what LIKE '%→ ended') AS last "
    "FROM cases WHERE state = 'done' ORDER BY priority DESC, seen DESC LIMIT :limit"
)
"""Of the latest done cases: when they were done, and when the last run ended."""

# --- history -----------------------------------------------------------------------------------------------------

ADD_EVENT = 'INSERT INTO events (at, "case", what, detail) VALUES (:at, :case, :what, :detail)'
"""One line of history."""

LAST_EVENT_OF = 'SELECT coalesce(max(number), 0) FROM events WHERE "case" = :case'
"""Number of the newest line of a case's history; 0 before the first."""

EVENTS_OF = 'SELECT * FROM events WHERE "case" = :case ORDER BY number'
"""The history of one case (or of the system: the empty name), oldest first."""

DETAILS_OF = 'SELECT detail FROM events WHERE "case" = :case AND what = :what ORDER BY number'
"""Details of one kind of event of a case, oldest first."""

LAST_EVENT = "SELECT coalesce(max(number), 0) FROM events"
"""Number of the newest line of history; 0 before the first."""

EVENTS_AFTER = "SELECT * FROM events WHERE number > :after ORDER BY number LIMIT :limit"
"""The history of everything after a number, oldest first."""

# --- hosts, GPUs, alarms -----------------------------------------------------------------------------------------

HOST = "SELECT * FROM hosts WHERE host = :host"
"""One host."""

HOSTS = "SELECT * FROM hosts ORDER BY host"
"""All hosts ever used."""

SET_HOST = (
    "INSERT INTO hosts (host, kind, state, reason, at) VALUES (:host, :kind, :state, :reason, :at) "
    "ON CONFLICT (host) DO UPDATE SET kind = :kind, reason = :reason, "
    "at = CASE state WHEN :state THEN at ELSE :at END, state = :state"
)
"""How a host is; ``at`` says since when."""

GPU = 'SELECT * FROM gpus WHERE host = :host AND "index" = :index'
"""One GPU."""

GPUS = 'SELECT * FROM gpus ORDER BY host, "index"'
"""All GPUs ever used."""

SET_GPU = (
    'INSERT INTO gpus (host, "index", uuid, model, state, reason, beam, at) '
    "VALUES (:host, :index, :uuid, :model, :state, :reason, :beam, :at) "
    'ON CONFLICT (host, "index") DO UPDATE SET uuid = :uuid, model = :model, reason = :reason, '
    "beam = :beam, "
    "at = CASE state WHEN :state THEN at ELSE :at END, state = :state"
)
"""How a GPU is; ``at`` says since when."""

ALARM = "SELECT * FROM alarms WHERE alarm = :alarm"
"""One alarm that stands."""

ALARMS = "SELECT * FROM alarms ORDER BY since, alarm"
"""The alarms that stand, oldest first."""

SET_ALARM = (
    "INSERT INTO alarms (alarm, since, text) VALUES (:alarm, :at, :text) ON CONFLICT (alarm) DO UPDATE SET text = :text"
)
"""Raise an alarm, or bring its text up to date."""

DROP_ALARM = "DELETE FROM alarms WHERE alarm = :alarm"
"""Clear an alarm."""

# --- measuring ---------------------------------------------------------------------------------------------------

COUNT_EVENTS = (
    "SELECT happened, sum(times) FROM ("
    "SELECT CASE WHEN what = 'case: verdict' AND json_valid(detail) "
    "THEN what || ' ' || coalesce(json_extract(detail, '$.verdict'), '') ELSE what END AS happened, count(*) AS times "
    "FROM events WHERE number > :after AND number <= :upto GROUP BY happened "
    "UNION ALL SELECT happened, number AS times FROM tallies "
    "WHERE block >= (:after + :size - 1) / :size AND block < (:upto + :size - 1) / :size"
    ") GROUP BY happened"
)
"""How often everything happened within a stretch of the history, also what was removed of it; of a verdict also which.
Who reads block by block (of ``size`` numbers), or what is younger than all that ever goes, counts each once."""

STATES_LEFT = (
    "SELECT e.what, (julianday(e.at) - julianday(coalesce("
    '(SELECT p.at FROM events AS p WHERE p."case" = e."case" AND p.number < e.number AND p.what LIKE \'% → %\' '
    "AND p.what LIKE substr(e.what, 1, instr(e.what, ': ')) || ' %' "
    "AND p.what NOT LIKE 'case: priority %' ORDER BY p.number DESC LIMIT 1), "
    '(SELECT p.at FROM events AS p WHERE p."case" = e."case" AND p.number < e.number '
    "AND (e.what LIKE 'case: %' OR p.what LIKE 'case: % → %') ORDER BY p.number LIMIT 1)))) * 86400.0 "
    "FROM events AS e WHERE e.number > :after AND e.number <= :upto AND e.at >= :began AND e.\"case\" <> '' "
    "AND (e.what LIKE 'case: % → %' OR e.what LIKE 'beam %: % → %') AND e.what NOT LIKE 'beam % attempt %' "
    "AND e.what NOT LIKE 'case: priority %' ORDER BY e.number"
)
"""Every state that a case or beam left within a stretch of the history, and for how long (s) it was in it: since it
entered it, or since it was first seen (a case) or admitted (a beam)."""

COUNT_PUSHES = (
    "SELECT sum(outcome = ''), coalesce(sum(outcome LIKE 'told%'), 0) "
    "+ coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pushes_told'), 0) FROM pushes"
)
"""Documents about alarms: how many are still to be told, how many were, those removed since among them."""

# --- alarms told to people outside --------------------------------------------------------------------------------

OPEN_PUSH = "SELECT * FROM pushes WHERE outcome = ''"
"""The push that is under way: one at most."""

PUSH = "SELECT * FROM pushes WHERE push = :push"
"""One push."""

PUSHED_UPTO = "SELECT (SELECT upto FROM pushes ORDER BY push DESC LIMIT 1)"
"""Number of the last event that a push has, or had, to tell; NULL before the first push."""

OLDEST_ALARM = (
    "SELECT min(number) FROM (SELECT max(number) AS number FROM events WHERE \"case\" = '' "
    "AND what IN (SELECT 'alarm ' || alarm || ': raised' FROM alarms) GROUP BY what)"
)
"""Number of the event that raised the oldest of the alarms that stand; NULL: none stands."""

ALARM_EVENTS = (
    "SELECT * FROM events WHERE \"case\" = '' AND number > :after AND number <= :upto AND what LIKE 'alarm %' "
    "ORDER BY number LIMIT :limit"
)
"""What happened to alarms, oldest first."""

LATE_PUSHES = "SELECT * FROM pushes WHERE tries > 0 ORDER BY push DESC LIMIT 100"
"""The latest pushes, newest first."""

ADD_PUSH = "INSERT INTO pushes (after, upto, at) VALUES (:after, :upto, :at)"
"""The intent to tell of these events."""

TRY_PUSH = "UPDATE pushes SET tries = tries + 1, at = :at WHERE push = :push"
"""The intent of one try."""

SETTLE_PUSH = "UPDATE pushes SET outcome = :outcome WHERE push = :push AND outcome = ''"
"""What became of a push; the first outcome stands."""

# --- operators' orders -------------------------------------------------------------------------------------------

ADD_ORDER = (
    'INSERT INTO commands ("order", kind, subject, argument, "user", at) '
    "VALUES (:order, :kind, :subject, :argument, :user, :at) ON CONFLICT DO NOTHING RETURNING 1"
)
"""An operator's order; sent again it changes nothing."""

DECIDE_ORDER = "UPDATE commands SET decided = :outcome WHERE \"order\" = :order AND outcome = '' RETURNING 1"
"""What an order that is carried out comes to."""

SETTLE_ORDER = (
    "UPDATE commands SET outcome = :outcome WHERE \"order\" = :order AND outcome = '' RETURNING kind, subject"
)
"""What became of an order; the first outcome stands."""

OPEN_ORDERS = "SELECT * FROM commands WHERE outcome = '' ORDER BY at, rowid"
"""Orders that are still to be carried out, oldest first."""

STEERING = (
    'SELECT commands.* FROM commands JOIN cases ON cases."case" = commands.subject '
    "WHERE commands.kind IN ('hold', 'release', 'priority') AND commands.decided != '' "
    "AND cases.state IN (SELECT value FROM json_each(:states)) ORDER BY commands.at, commands.rowid"
)
"""Orders about the queue that hold for cases in these states, oldest first."""

ORDER = 'SELECT * FROM commands WHERE "order" = :order'
"""One order."""
