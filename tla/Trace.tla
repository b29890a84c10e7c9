------------------------------- MODULE Trace -------------------------------
(* Replays a log of a host and its clients against SyncProtocol. run.py writes *)
(* the log, one JSON object a line, as module TraceLog: Log == <<[...], ...>>. *)
EXTENDS SyncProtocol, Sequences, TraceLog
VARIABLE l
Meta    == Log[1]
TClients == {Meta.clients[i] : i \in DOMAIN Meta.clients}
TNodes   == {Meta.nodes[i] : i \in DOMAIN Meta.nodes}
E       == Log[l + 1]
Ops(c, s) == {o \in saved : o.c = c /\ o.s = s}
Has(f)  == f \in DOMAIN E
Post ==                                  \* compare logged values with the successor state
  /\ Has("cursor") => cursor'[E.c] = E.cursor
  /\ Has("queue")  => Cardinality(queue'[E.c]) = E.queue
  /\ Has("seen")   => Cardinality(seen'[E.c]) = E.seen
  /\ Has("lsn")    => head' = E.lsn
Is(a) == E.ev = a
Match ==
  \/ Is("create")  /\ Create(E.c)
  \/ Is("save")    /\ Save(E.c)
  \/ Is("connect") /\ Connect(E.c, E.n)
  \/ Is("send")    /\ Send(E.c)
  \/ Is("begin")   /\ \E o \in Ops(E.c, E.s) : Begin(E.n, o)
  \/ Is("commit")  /\ Commit(E.n)
  \/ Is("ack")     /\ RecvAck(E.c)
  \/ Is("push")    /\ Push(E.c)
  \/ Is("pull")    /\ Pull(E.c)
  \/ Is("compact") /\ Compact
  \/ Is("drop")    /\ Disconnect(E.c)
  \/ Is("reload")  /\ ClientCrash(E.c)
  \/ Is("kill")    /\ NodeCrash(E.n)
  \/ Is("start")   /\ NodeStart(E.n)
TraceNext ==
  \/ l < Len(Log) /\ Match /\ Post /\ l' = l + 1
  \/ l < Len(Log) /\ Flush /\ l' = l      \* not observable from the host
TraceSpec == Init /\ l = 1 /\ [][TraceNext]_<<vars, l>>
Sound     == /\ NoLoss /\ AckedDurable /\ CursorSound /\ OwnWrites /\ NoPhantom /\ OnceOnly
             /\ Fifo /\ Revocation /\ Exact
\* "Violated" when the whole log is a behaviour of SyncProtocol: TLC's counterexample is the
\* explanation of the log. When nothing explains it, TLC finds no violation.
Unexplained == ~(l = Len(Log) /\ Sound)
=============================================================================
