---------------------------- MODULE SyncProtocol ----------------------------
(* One document. Clients with a durable offline queue, server nodes without   *)
(* durable state, one database with group flush, lossy fan-out, compaction.   *)
(* Bugs = {} is the design; every string in AllBugs is a seeded fault that    *)
(* TLC must catch (mutation test of the invariants).                          *)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS Clients, Nodes, None, MaxOps, MaxFaults, Bugs

AllBugs == {"SendBeforeSave", "DropOnSend", "AckBeforeFlush", "ReadUnflushed",
            "NoGapCheck", "NoDocLock", "NoSnapshot", "SnapshotClobbers",
            "TornCursor", "NoDedupe", "NoFifo", "CachedPerm", "SilentReject",
            "NoPull", "NoRefusal"}           \* these two break liveness only
ASSUME Bugs \subseteq AllBugs

VARIABLES
  mem,     \* mem[c]    op on screen, not yet in IndexedDB (volatile), or None
  made,    \* made[c]   ghost: ops ever created (op identity)
  next,    \* next[c]   next sequence number            (IndexedDB)
  queue,   \* queue[c]  saved, not acknowledged         (IndexedDB)
  dead,    \* dead[c]   refused by the server, kept     (IndexedDB)
  seen,    \* seen[c]   ops merged into the replica     (IndexedDB, same tx as cursor)
  cursor,  \* cursor[c] everything up to here is merged (IndexedDB)
  conn,    \* conn[c]   node or None                    (volatile)
  wire,    \* ops ever sent: lost, repeated, reordered at will
  up,      \* up[n]
  txn,     \* txn[n]    open transaction [lsn, op] or None
  log,     \* committed entries [lsn, op]
  flushed, \* LSNs that survive a database crash
  head,    \* last LSN handed out
  base,    \* entries <= base exist only inside the snapshot
  revAt,   \* revAt[c]  None, or head at the moment write permission was revoked
  saved,   \* ghost: ops the user was told are stored on the device
  told,    \* ghost: ops the user was told are stored on the server
  faults

vars == <<mem, made, next, queue, dead, seen, cursor, conn, wire, up, txn, log,
          flushed, head, base, revAt, saved, told, faults>>
client == <<mem, made, next, queue, dead, seen, cursor, saved, told>>
server == <<up, txn, log, flushed, head, base, revAt>>

Bug(b)     == b \in Bugs
Max(S)     == CHOOSE x \in S : \A y \in S : y <= x
Same(o, p) == o.c = p.c /\ o.s = p.s            \* all the server can compare
Stable     == {e \in log : e.lsn \in flushed}
Durable    == {e.op : e \in Stable}
Visible    == IF Bug("ReadUnflushed") THEN log ELSE Stable
Upto(E, k) == {e.op : e \in {x \in E : x.lsn <= k}}
Own(c)     == {o \in saved : o.c = c}
Lsns(E)    == {e.lsn : e \in E}

Init ==
  /\ mem = [c \in Clients |-> None]  /\ made = [c \in Clients |-> 0]
  /\ next = [c \in Clients |-> 1]    /\ queue = [c \in Clients |-> {}]
  /\ dead = [c \in Clients |-> {}]   /\ seen = [c \in Clients |-> {}]
  /\ cursor = [c \in Clients |-> 0]  /\ conn = [c \in Clients |-> None]
  /\ wire = {} /\ up = [n \in Nodes |-> TRUE] /\ txn = [n \in Nodes |-> None]
  /\ log = {} /\ flushed = {} /\ head = 0 /\ base = 0
  /\ revAt = [c \in Clients |-> None]
  /\ saved = {} /\ told = {} /\ faults = 0

(* ------------------------------- client --------------------------------- *)
Create(c) ==                       \* optimistic: on screen at once
  /\ mem[c] = None /\ made[c] < MaxOps
  /\ made' = [made EXCEPT ![c] = @ + 1]
  /\ mem' = [mem EXCEPT ![c] = [c |-> c, s |-> next[c], g |-> made[c] + 1]]
  /\ UNCHANGED <<next, queue, dead, seen, cursor, conn, wire, server, saved, told, faults>>

Save(c) ==                         \* op + sequence number in ONE IndexedDB tx
  /\ mem[c] # None
  /\ next' = [next EXCEPT ![c] = @ + 1]
  /\ queue' = [queue EXCEPT ![c] = @ \cup {mem[c]}]
  /\ seen' = [seen EXCEPT ![c] = @ \cup {mem[c]}]
  /\ saved' = saved \cup {mem[c]}
  /\ mem' = [mem EXCEPT ![c] = None]
  /\ UNCHANGED <<made, dead, cursor, conn, wire, server, told, faults>>

Connect(c, n) ==
  /\ conn[c] = None /\ up[n]
  /\ conn' = [conn EXCEPT ![c] = n]
  /\ UNCHANGED <<client, wire, server, faults>>

Send(c) ==
  /\ conn[c] # None
  /\ \E o \in queue[c] \cup (IF Bug("SendBeforeSave") /\ mem[c] # None THEN {mem[c]} ELSE {}) :
       /\ o \notin wire \/ Bug("DropOnSend")
       /\ wire' = wire \cup {o}
       /\ queue' = IF Bug("DropOnSend") THEN [queue EXCEPT ![c] = @ \ {o}] ELSE queue
  /\ UNCHANGED <<mem, made, next, dead, seen, cursor, conn, server, saved, told, faults>>

RecvAck(c) ==                      \* the server (re-)acks anything it holds durably
  /\ conn[c] # None
  /\ \E o \in queue[c] :
       /\ \E e \in (IF Bug("AckBeforeFlush") THEN log ELSE Stable) : Same(e.op, o)
       /\ queue' = [queue EXCEPT ![c] = @ \ {o}]
       /\ told' = told \cup {o}
  /\ UNCHANGED <<mem, made, next, dead, seen, cursor, conn, wire, server, saved, faults>>

RecvReject(c) ==                   \* refused ops stay visible to the user
  /\ ~Bug("NoRefusal") /\ conn[c] # None /\ revAt[c] # None /\ queue[c] # {}
  /\ LET R == {o \in queue[c] : ~\E e \in log : Same(e.op, o)}
              \ {o \in queue[c] : \E n \in Nodes : txn[n] # None /\ Same(txn[n].op, o)} IN
     /\ R # {}
     /\ queue' = [queue EXCEPT ![c] = @ \ R]
     /\ dead' = IF Bug("SilentReject") THEN dead ELSE [dead EXCEPT ![c] = @ \cup R]
  /\ UNCHANGED <<mem, made, next, seen, cursor, conn, wire, server, saved, told, faults>>

Push(c) ==                         \* fan-out: any entry, any time, any order; or never
  /\ conn[c] # None
  /\ \E e \in Visible :
       /\ e.lsn > cursor[c]
       /\ \/ e.lsn = cursor[c] + 1
          \/ Bug("NoGapCheck")
       /\ seen' = [seen EXCEPT ![c] = @ \cup {e.op}]
       /\ cursor' = [cursor EXCEPT ![c] = e.lsn]
  /\ UNCHANGED <<mem, made, next, queue, dead, conn, wire, server, saved, told, faults>>

Pull(c) ==                         \* anti-entropy after connect / gap / heartbeat; paged
  /\ ~Bug("NoPull") /\ conn[c] # None
  /\ \E k \in Lsns(Visible) :
       /\ k > cursor[c]
       /\ cursor' = [cursor EXCEPT ![c] = k]
       /\ LET tail == {e.op : e \in {x \in Visible : x.lsn > cursor[c] /\ x.lsn <= k}}
              live == {e.op : e \in {x \in Visible : x.lsn > cursor[c] /\ x.lsn <= k /\ x.lsn > base}}
              snap == Upto(Visible, IF k > base THEN k ELSE base)
          IN IF cursor[c] >= base
             THEN seen' = [seen EXCEPT ![c] = @ \cup tail]
             ELSE IF Bug("NoSnapshot")
             THEN seen' = [seen EXCEPT ![c] = @ \cup live]
             ELSE /\ k >= base     \* first page after compaction is the snapshot
                  /\ seen' = [seen EXCEPT ![c] =
                       IF Bug("SnapshotClobbers") THEN snap ELSE @ \cup snap]
  /\ UNCHANGED <<mem, made, next, queue, dead, conn, wire, server, saved, told, faults>>

(* ------------------------------- server --------------------------------- *)
Open == {txn[n] : n \in {m \in Nodes : txn[m] # None}}

Begin(n, o) ==                     \* any node may receive any copy of any op
  /\ up[n] /\ txn[n] = None /\ o \in wire
  /\ Bug("NoDedupe") \/ ~\E e \in log \cup Open : Same(e.op, o)
  /\ Bug("NoFifo") \/ \A s \in 1..(o.s - 1) : \E e \in log : e.op.c = o.c /\ e.op.s = s
  /\ Bug("NoDocLock") \/ Open = {}
  /\ revAt[o.c] = None \/ (Bug("CachedPerm") /\ conn[o.c] # None)
  /\ Cardinality(log) < Cardinality(Clients) * MaxOps
  /\ head' = head + 1
  /\ txn' = [txn EXCEPT ![n] = [lsn |-> head + 1, op |-> o]]
  /\ UNCHANGED <<client, conn, wire, up, log, flushed, base, revAt, faults>>

Commit(n) ==
  /\ txn[n] # None
  /\ log' = log \cup {txn[n]}
  /\ txn' = [txn EXCEPT ![n] = None]
  /\ UNCHANGED <<client, conn, wire, up, flushed, head, base, revAt, faults>>

Flush ==                           \* fsync / WAL flush / synchronous replica
  /\ flushed # Lsns(log)
  /\ flushed' = Lsns(log)
  /\ UNCHANGED <<client, conn, wire, up, txn, log, head, base, revAt, faults>>

Compact ==
  /\ \E k \in flushed :
       /\ k > base
       /\ \A e \in log : e.lsn <= k => e.lsn \in flushed
       /\ \A t \in Open : t.lsn > k
       /\ base' = k
  /\ UNCHANGED <<client, conn, wire, up, txn, log, flushed, head, revAt, faults>>

(* ------------------------------- faults --------------------------------- *)
Fault == faults < MaxFaults /\ faults' = faults + 1

ClientCrash(c) ==
  /\ Fault
  /\ mem' = [mem EXCEPT ![c] = None]
  /\ conn' = [conn EXCEPT ![c] = None]
  /\ seen' = IF Bug("TornCursor") THEN [seen EXCEPT ![c] = @ \cap Own(c)] ELSE seen
  /\ UNCHANGED <<made, next, queue, dead, cursor, wire, server, saved, told>>

Disconnect(c) ==
  /\ Fault /\ conn[c] # None
  /\ conn' = [conn EXCEPT ![c] = None]
  /\ UNCHANGED <<client, wire, server>>

NodeCrash(n) ==
  /\ Fault /\ up[n]
  /\ up' = [up EXCEPT ![n] = FALSE]
  /\ txn' = [txn EXCEPT ![n] = None]
  /\ conn' = [c \in Clients |-> IF conn[c] = n THEN None ELSE conn[c]]
  /\ UNCHANGED <<client, wire, log, flushed, head, base, revAt>>

NodeStart(n) ==
  /\ ~up[n] /\ up' = [up EXCEPT ![n] = TRUE]
  /\ UNCHANGED <<client, conn, wire, txn, log, flushed, head, base, revAt, faults>>

DbCrash ==                         \* committed but unflushed entries vanish; LSNs are reused
  /\ Fault
  /\ log' = Stable
  /\ txn' = [n \in Nodes |-> None]
  /\ head' = IF flushed = {} THEN 0 ELSE Max(flushed)
  /\ UNCHANGED <<client, conn, wire, up, flushed, base, revAt>>

Revoke(c) ==
  /\ Fault /\ revAt[c] = None
  /\ revAt' = [revAt EXCEPT ![c] = head]
  /\ UNCHANGED <<client, conn, wire, up, txn, log, flushed, head, base>>

Next ==
  \/ \E c \in Clients : \/ Create(c) \/ Save(c) \/ Send(c) \/ RecvAck(c) \/ RecvReject(c)
                        \/ Push(c) \/ Pull(c) \/ ClientCrash(c) \/ Disconnect(c) \/ Revoke(c)
                        \/ \E n \in Nodes : Connect(c, n)
  \/ \E n \in Nodes : Commit(n) \/ NodeCrash(n) \/ NodeStart(n) \/ \E o \in wire : Begin(n, o)
  \/ Flush \/ Compact \/ DbCrash

Fair ==                            \* no fairness for Push: fan-out may lose everything
  /\ \A c \in Clients : /\ WF_vars(Save(c)) /\ WF_vars(Send(c)) /\ WF_vars(RecvAck(c))
                        /\ WF_vars(RecvReject(c)) /\ WF_vars(Pull(c))
                        /\ WF_vars(\E n \in Nodes : Connect(c, n))
  /\ \A n \in Nodes : WF_vars(Commit(n)) /\ WF_vars(NodeStart(n))
  /\ WF_vars(\E n \in Nodes, o \in wire : Begin(n, o))
  /\ WF_vars(Flush)

Spec     == Init /\ [][Next]_vars
FairSpec == Spec /\ Fair

(* ----------------------------- invariants ------------------------------- *)
NoLoss       == \A o \in saved : o \in queue[o.c] \cup dead[o.c] \/ o \in Durable
AckedDurable == told \subseteq Durable
CursorSound  == \A c \in Clients : Upto(Stable, cursor[c]) \subseteq seen[c]
OwnWrites    == \A c \in Clients : Own(c) \subseteq seen[c]
NoPhantom    == \A c \in Clients : seen[c] \subseteq saved
OnceOnly     == \A e, f \in log : Same(e.op, f.op) => e = f
Fifo         == \A e \in log : \A s \in 1..(e.op.s - 1) :
                   \E f \in log : f.op.c = e.op.c /\ f.op.s = s /\ f.lsn < e.lsn
Revocation   == \A e \in log : revAt[e.op.c] # None => e.lsn <= revAt[e.op.c]
Exact        == \A c \in Clients : seen[c] = Own(c) \cup Upto(Stable, cursor[c])
\* history only grows
Monotone     == [][/\ \A c \in Clients : cursor[c] <= cursor'[c] /\ seen[c] \subseteq seen'[c]
                   /\ Durable \subseteq Durable' /\ base <= base']_vars
(* ------------------------------ liveness -------------------------------- *)
Drains    == <>[](\A c \in Clients : queue[c] = {})
Delivered == \A c \in Clients : \A g \in 1..MaxOps :
               (\E o \in Durable : o.c = c /\ o.g = g)
                 ~> (\A d \in Clients : \E o \in seen[d] : o.c = c /\ o.g = g)
Settles   == <>[](\A c \in Clients : Durable \subseteq seen[c])

Sym == Permutations(Clients) \cup Permutations(Nodes)
=============================================================================
