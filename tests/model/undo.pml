/* Cancel and Revert Them All, as a protocol: Choreo's rows, its workers and sweep, an operator, and two services.
 *
 * One job with two tasks, A and B; B reacted to A, so that B's work is undone before A's. Faults are not counted but
 * left to chance: a worker may die or be slow at any moment and any number of times, each call may fail, each answer
 * may get lost, a report may come late and come again. One `atomic` is one transaction, or one call as its service
 * sees it. What each part stands for in the code, and what is left out: docs/model.md.
 *
 * -DBOUND=n  allows n faults in all; then no run may go round in circles, so that each one ends.
 * -DBUG_…    makes one mistake, which has to be found.
 */

mtype:job = { working, completed, cancelling, cancelled, revertFailed };
mtype:task = { absent, tWorking, tDone, tCancelling, tCancelled, tReverting, tReverted, tRevertFailed };
mtype:call = { none, pending, queued, running, done, failed };
mtype:answer = { transient, ok, nothing, refused };

#define A 0
#define B 1
#define CANCEL(t) (2 * (t))          /* the calls of a task: cs[CANCEL(t)] and cs[REVERT(t)] */
#define REVERT(t) (2 * (t) + 1)
#define TASK(c) ((c) / 2)
#define IS_REVERT(c) ((c) % 2)
#define NOBODY 0

/* The rows. */
mtype:job job = working;
mtype:task task[2] = absent;
bool changed[2];                     /* taskStateChanged */
bool inTime[2];                      /* the service reported its result before the cancelling */
bool late[2];                        /* … or after it: late_at is set */
bool foundNothing[2];                /* the revert call ended as nothing-to-undo */
bool byHand[2];                      /* … or an operator ended it */
bool helped[2];                      /* a history entry calls for help */
mtype:call cs[4] = none;
byte holder[4] = NOBODY;             /* lease_token: whose claim it is; of a running call NOBODY: of a dead worker */
bool holds[2];                       /* the task's open call still keeps others waiting */
bool key[2];                         /* idempotency_key of the revert: the first one, or the second */

/* What is true at the services, and hidden from the server. */
bool tombstone[2];                   /* which kind of service it is: see proctype Service */
bool buried[2];                      /* it was asked to stop or undo, and will not begin any more */
bool made[2];                        /* its work was done */
bool effect[2];                      /* … and stands */
bool owes[2];                        /* … and has not been reported, but will be */
mtype:answer kept0[2] = transient;   /* what it answered under the first key; transient: nothing yet */
mtype:answer kept1[2] = transient;   /* … under the second */

bool closed;                         /* the initiator was told that its job is completed */
bool excused;                        /* only to check the order: B's open call has failed, hung or been queued */

#ifdef BOUND
byte faults;
#define MAY_FAIL (faults < BOUND)
#define FAULT MAY_FAIL -> faults++
#else
#define MAY_FAIL true
#define FAULT true
#endif

#define UNDOING (job == cancelling || job == cancelled || job == revertFailed)
#define OPEN(c) (cs[c] == pending || cs[c] == queued || cs[c] == running)

/* domain.undo: cancel_failed, cancel_under_way, _to_revert, _holds_its_cause */
#define CANCEL_FAILED(t) (task[t] == tCancelling && cs[CANCEL(t)] == failed)
#define CANCEL_HOLDS(t) (task[t] == tCancelling && cs[CANCEL(t)] != failed && holds[t])
#define TO_REVERT(t) (changed[t] && (task[t] == tDone || task[t] == tCancelled || CANCEL_FAILED(t)))
#define HOLDS_ITS_CAUSE(t) (TO_REVERT(t) || (task[t] == tReverting && holds[t]))
#define UNDER_WAY(t) (task[t] == tWorking || task[t] == tCancelling || TO_REVERT(t) || task[t] == tReverting)

/* What has to hold when nothing is under way: work stands only in a completed job, or else a human was called; and the
 * job says revertFailed, unless the work came to light when it had ended, or after an operator's word. */
#define QUIET (!OPEN(0) && !OPEN(1) && !OPEN(2) && !OPEN(3) && !owes[A] && !owes[B] && job != working && job != cancelling)
#define LEFT_WELL(t) (!effect[t] || (helped[t] && (byHand[t] || (task[t] == tRevertFailed && (job == revertFailed || late[t])))))
#define UNTOUCHED (cs[0] == none && cs[1] == none && cs[2] == none && cs[3] == none && made[A] == effect[A] && made[B] == effect[B])
#define WELL ((job == completed && UNTOUCHED) || (job != completed && LEFT_WELL(A) && LEFT_WELL(B)))

/* ---- services.undo ---- */

inline begin_call(c) {
    cs[c] = pending; holder[c] = NOBODY; holds[TASK(c)] = true;
    if :: TASK(c) == B -> excused = false :: else fi
}

inline close(c, how) { cs[c] = how; holder[c] = NOBODY; holds[TASK(c)] = false }

inline give_up(t) {
    task[t] = tRevertFailed;
#ifndef BUG_NOBODY_IS_CALLED
    helped[t] = true
#endif
}

inline stop_what_works(t) {
    if
    :: task[t] == tWorking -> task[t] = tCancelling; begin_call(CANCEL(t))
    :: CANCEL_FAILED(t) && !changed[t] -> give_up(t)          /* nobody can say that it has stopped */
    :: else
    fi
}

inline call_revert(t) {
    /* The order, by what is true: while B's work stands, A's is undone only if B's call has its troubles. */
    assert(t == B || !effect[B] || !changed[B] || excused
           || task[B] == absent || task[B] == tReverted || task[B] == tRevertFailed);
    task[t] = tReverting; foundNothing[t] = false; begin_call(REVERT(t))
}

/* advance(): every step that can be taken now, from what the rows are; at last the end of the job */
inline advance() {
    stop_what_works(A);
    stop_what_works(B);
    if
#ifndef BUG_REVERTS_BEFORE_CANCELS
    :: CANCEL_HOLDS(A) || CANCEL_HOLDS(B)
#endif
    :: else ->
        if :: TO_REVERT(B) -> call_revert(B) :: else fi;
        if
#ifdef BUG_ORDER_IGNORED
        :: TO_REVERT(A) -> call_revert(A)
#else
        :: TO_REVERT(A) && !HOLDS_ITS_CAUSE(B) -> call_revert(A)
#endif
        :: else
        fi;
        if
        :: job == cancelling && !UNDER_WAY(A) && !UNDER_WAY(B) ->
            if
            :: task[A] == tRevertFailed || task[B] == tRevertFailed -> job = revertFailed
            :: else -> job = cancelled
            fi
        :: else
        fi
    fi
}

inline begin_undoing() { job = cancelling; advance() }

/* it failed once, hung for too long, or is queued: nobody waits for this call any longer */
inline stop_holding(t) {
    holds[t] = false;
    if :: t == B -> excused = true :: else fi
}

/* a service that found nothing is asked anew, under another key, since it may repeat its answer to the first */
inline begin_anew(t) {
    assert(!key[t]);                                           /* … once, and not for ever */
    key[t] = true;
    begin_call(REVERT(t))
}

inline fail(c, t) {
    close(c, failed);
    if :: IS_REVERT(c) -> give_up(t) :: else fi                /* after a cancel the plan may still revert */
}

/* May "nothing to undo" be an answer from before the late work, kept under the key and repeated? */
#ifdef BUG_LAST_ATTEMPT_ONLY
bool fresh[2];                       /* the latest attempt had begun after the late work came */
#define MAY_BE_STALE(t) (late[t] && !fresh[t])
#else
#define MAY_BE_STALE(t) (late[t] && !key[t])
#endif

/* An answer, recorded by the claim that holds and by no other. What the ladder would count is left to chance. */
inline record(c, t, a) {
    if
#ifdef BUG_NO_TOKEN_CHECK
    :: cs[c] != running
#else
    :: cs[c] != running || holder[c] != _pid
#endif
    :: else ->
        if
        :: a == transient ->
            if
            :: cs[c] = pending; holder[c] = NOBODY
            :: cs[c] = queued; holder[c] = NOBODY; stop_holding(t)
            :: fail(c, t)                                      /* the end of the replay window */
            fi
        :: a == refused -> fail(c, t)
        :: a == nothing && IS_REVERT(c) && MAY_BE_STALE(t) -> begin_anew(t)
        :: else ->
            close(c, done);
            if
            :: IS_REVERT(c) -> task[t] = tReverted; foundNothing[t] = (a == nothing)
            :: else -> task[t] = tCancelled
            fi
        fi;
        advance()
    fi
}

/* ---- services.task_reports ---- */

/* A result for a job that is being, or was, undone: 409; but it is kept, and its revert seen to, once. */
#ifdef BUG_LATE_IGNORED
#define LATE_NEWS(t) false
#else
#ifdef BUG_LATE_AFTER_GIVING_UP
#define LATE_NEWS(t) (!late[t] && !inTime[t] && task[t] != tRevertFailed)
#else
#define LATE_NEWS(t) (!late[t] && !inTime[t])
#endif
#endif

inline record_late_work(t) {
    if
    :: LATE_NEWS(t) ->
        late[t] = true; changed[t] = true;
        if
        :: task[t] == absent || task[t] == tWorking -> task[t] = tDone
        :: task[t] == tReverted && foundNothing[t] -> task[t] = tReverting; foundNothing[t] = false; begin_anew(t)
#ifndef BUG_LATE_AFTER_HAND
        :: task[t] == tReverted && byHand[t] -> helped[t] = true       /* what was undone by hand, only a human knows */
#endif
        :: else
        fi;
        advance()
    :: else
    fi
}

inline report_result(t) {
    if
    :: UNDOING -> record_late_work(t)
    :: !UNDOING && (task[t] == absent || task[t] == tWorking) ->
        task[t] = tDone; changed[t] = true; inTime[t] = true;
        if
        :: job == working -> begin_undoing()                   /* it failed, and leaves something behind */
        :: true                                                /* it completed */
        fi
    :: else
    fi;
    owes[t] = false
}

/* ---- The services ----
 * Either kind can be undone whatever happens. The one announces its work before it begins, and having been asked to
 * stop or to undo it never begins (a tombstone); it may die without another word. The other may begin at any time, even
 * after a revert that found nothing; but then its report is sure to come.
 */
#ifdef BUG_NO_TOMBSTONE
#define MAY_BEGIN(t) true
#else
#define MAY_BEGIN(t) (!tombstone[t] || !buried[t])
#endif

proctype Service(byte t) {
end_waits:
    if :: t == A :: t == B && made[A] fi;                      /* B reacts to A's work */
    if
    :: tombstone[t] ->
        atomic {
            if
            :: task[t] == absent && !UNDOING -> task[t] = tWorking; changed[t] = true
            :: task[t] == absent && UNDOING -> goto end        /* 409: it leaves it */
            :: else
            fi
        }
    :: else
    fi;
    if
    :: atomic { MAY_BEGIN(t) ->
        made[t] = true; effect[t] = true; owes[t] = !tombstone[t] }
    :: tombstone[t] -> goto end                                /* dies, or saw the tombstone */
    fi;
    if
    :: atomic { true -> report_result(t) }
    :: tombstone[t]                                            /* dies before it reports */
    fi;
end:
    do                                                         /* repeats, as long as one would make a difference */
    :: atomic { made[t] && task[t] != absent && UNDOING && LATE_NEWS(t) -> record_late_work(t) }
    :: atomic { made[t] && !effect[t] && task[t] == tReverting ->
        if :: OPEN(REVERT(t)) -> close(REVERT(t), done) :: else fi;
        task[t] = tReverted; foundNothing[t] = false; advance() }            /* it reports `reverted` by itself */
    od
}

inline serve_cancel(t, a) {
    atomic {
        if
        :: buried[t] = tombstone[t]; a = ok
        :: FAULT -> buried[t] = tombstone[t]; a = transient   /* it heard, and its answer was lost */
        :: FAULT -> a = transient
        :: FAULT -> a = refused
        fi
    }
}

inline serve_revert(t, k, a) {
    atomic {
        assert(!closed);                                       /* nothing of a completed job is ever undone */
        if
        :: FAULT -> a = transient
        :: FAULT -> a = refused
        :: true ->
            if
#ifndef BUG_NEW_KEY_EACH_TIME
            :: !k && kept0[t] != transient -> a = kept0[t]     /* seen before: the same answer again */
            :: k && kept1[t] != transient -> a = kept1[t]
#endif
            :: else ->
                if
                :: made[t] ->
                    assert(effect[t]);                         /* nothing is undone two times */
                    effect[t] = false; a = ok
                :: else -> a = nothing
                fi;
                buried[t] = tombstone[t];
                if :: k -> kept1[t] = a :: else -> kept0[t] = a fi
            fi;
            if :: true :: FAULT -> a = transient fi            /* the answer may get lost */
        fi
    }
}

/* ---- services.calls: claim and commit, send, record. A worker may die in between, or its lease run out. ---- */

inline take(i) {
    c = i;
#ifndef BUG_SAME_KEY_FOR_LATE_WORK
    k = key[TASK(i)];
#endif
    assert(task[TASK(i)] == (IS_REVERT(i) -> tReverting : tCancelling));
#ifdef BUG_LAST_ATTEMPT_ONLY
    fresh[TASK(i)] = late[TASK(i)];
#endif
    cs[i] = running; holder[i] = _pid
}

#ifdef BUG_QUEUE_FORGOTTEN
#define DUE(i) (cs[i] == pending)
#else
#define DUE(i) (cs[i] == pending || cs[i] == queued)
#endif
#define DEAD(i) (cs[i] == running && holder[i] == NOBODY)
#define SLOW(i) (cs[i] == running && holder[i] != NOBODY && holder[i] != _pid)

#ifdef BUG_LEASE_NEVER_ENDS
#define CLAIM(i) :: atomic { DUE(i) -> take(i) }
#else
#ifdef BUG_NO_LEASE
#define CLAIM(i) :: atomic { DUE(i) || DEAD(i) || SLOW(i) -> take(i) }
#else
#define CLAIM(i) :: atomic { DUE(i) || DEAD(i) -> take(i) } :: atomic { SLOW(i) && MAY_FAIL -> FAULT; take(i) }
#endif
#endif

inline die() { if :: holder[c] == _pid -> holder[c] = NOBODY :: else fi; goto forget }

proctype Worker() {
    byte c, k;
    mtype:answer a;
end:
    if
    CLAIM(0)
    CLAIM(1)
    CLAIM(2)
    CLAIM(3)
    fi;
#ifdef BUG_RECORD_BEFORE_SEND
    atomic { record(c, TASK(c), ok) }
#endif
    if
    :: atomic { MAY_FAIL -> FAULT; die() }
    :: atomic { !IS_REVERT(c) -> serve_cancel(TASK(c), a) }
    :: atomic { IS_REVERT(c) -> serve_revert(TASK(c), k, a) }
    fi;
    if
    :: atomic { MAY_FAIL -> FAULT; die() }
    :: atomic { true -> record(c, TASK(c), a) }
    fi;
forget:
    atomic { c = 0; k = 0; a = transient; goto end }
}

/* a task has outlived its own max TTL: it failed, by the server's word */
inline fail_overdue(t) {
    task[t] = tDone;
#ifdef BUG_OVERDUE_IS_A_RESULT
    inTime[t] = true;
#endif
    begin_undoing()
}

/* ---- services.deadlines: the max TTLs, and calls that have kept others waiting for too long ---- */
proctype Sweep() {
end:
    do
#ifdef BUG_UNGUARDED_DEADLINE
    :: job == working -> atomic { if :: job == working || job == completed -> begin_undoing() :: else fi }
#else
    :: atomic { job == working -> begin_undoing() }
#endif
    :: atomic { job == working && task[A] == tWorking -> fail_overdue(A) }
    :: atomic { job == working && task[B] == tWorking -> fail_overdue(B) }
    :: atomic { holds[A] && MAY_FAIL -> FAULT; stop_holding(A); advance() }
    :: atomic { holds[B] && MAY_FAIL -> FAULT; stop_holding(B); advance() }
    od
}

/* ---- services.job_reports: the initiator closes its job ---- */
proctype Initiator() {
end:
#ifdef BUG_UNGUARDED_CLOSE
    job == working;
    atomic { job = completed; closed = true }
#else
    atomic { job == working -> job = completed; closed = true }
#endif
}

/* An operator has what is not undone tried again (services.job_reports), or undoes it and says so (services.by_hand). */
inline retry(t) {
    if
    :: task[t] == tRevertFailed && changed[t] ->
#ifdef BUG_NEW_KEY_AT_RETRY
        key[t] = true;
#endif
        task[t] = tCancelled
    :: task[t] == tRevertFailed && !changed[t] -> task[t] = tCancelling; begin_call(CANCEL(t))
    :: else
    fi
}

inline undone_by_hand(t) {
    made[t] = false; effect[t] = false; buried[t] = tombstone[t];           /* the operator has seen to it there */
#ifndef BUG_CALL_LEFT_OPEN
    if :: OPEN(REVERT(t)) -> close(REVERT(t), done) :: else fi;
#endif
    task[t] = tReverted; byHand[t] = true; helped[t] = false;                /* that call for help is answered */
    if :: job == revertFailed && task[1 - t] != tRevertFailed -> job = cancelling :: else fi;
    advance()
}

#define MAY_BE_MARKED(t) (task[t] == tRevertFailed || (task[t] == tReverting && !holds[t]))

proctype Operator() {
end:
    do
    :: atomic { job == revertFailed -> job = cancelling; retry(A); retry(B); advance() }
    :: atomic { MAY_BE_MARKED(A) -> undone_by_hand(A) }
    :: atomic { MAY_BE_MARKED(B) -> undone_by_hand(B) }
    od
}

init {
    atomic {
        task[A] = tWorking;                                    /* the server knows of A; of B, nobody yet */
        if :: tombstone[A] = true; changed[A] = true :: tombstone[A] = false :: changed[A] = true fi;
        run Service(A);
#if TASKS == 2
        if :: tombstone[B] = true :: tombstone[B] = false fi;
        run Service(B);
#endif
#if WORKERS == 2
        run Worker();
#endif
        run Worker(); run Sweep(); run Initiator(); run Operator()
    };
end:
    do
    :: timeout -> assert(QUIET && WELL); break
#ifndef BOUND
    :: atomic { QUIET -> assert(WELL) }
#endif
    od
}
