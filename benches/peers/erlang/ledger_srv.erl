%% ledger_srv: the "somewhat larger" machine (bank ledger): 6 input cases, a state record of ints and a map of
%% 100 accounts. Same semantics as machines/ledger.cam, same workload (LCG) as src/workload.rs; check/1 must give equal figures.
-module(ledger_srv).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3, workload/0, check/1]).
-record(st, {count = 0, total = 0, rejected = 0, limit = 1000, fees = 0, hwm = 0, m = #{}}).

init(_) -> {ok, #st{m = maps:from_list([{K, 1000} || K <- lists:seq(0, 99)])}}.

handle_call(check, _From, S) -> {reply, check(S), S};
handle_call(Req, _From, S) -> {R, S1} = step(Req, S), {reply, R, S1}.
handle_cast(Req, S) -> {_, S1} = step(Req, S), {noreply, S1}.
handle_info(_, S) -> {noreply, S}.
code_change(_, S, _) -> {ok, S}.

step({deposit, K, A}, #st{limit = L, m = M} = S) when 1 =< A, A =< L ->
    case M of
        #{K := B} -> NB = B + A,
            {{ok, NB}, book(A, NB, S#st{m = M#{K := NB}, count = S#st.count + 1, total = S#st.total + A})};
        _ -> rej(2, S)
    end;
step({withdraw, K, A}, #st{limit = L, m = M} = S) when 1 =< A, A =< L ->
    case M of
        #{K := B} when B < A -> rej(3, S);
        #{K := B} -> NB = B - A,
            {{ok, NB}, book(A, NB, S#st{m = M#{K := NB}, count = S#st.count + 1, total = S#st.total - A})};
        _ -> rej(2, S)
    end;
step({transfer, F, T, A}, #st{limit = L, m = M} = S) when 1 =< A, A =< L ->
    if F =:= T -> rej(4, S);
       true ->
            case M of
                #{F := BF, T := _} when BF < A -> rej(3, S);
                #{F := BF, T := BT} -> NT = BT + A,
                    {{ok, BF - A}, book(A, NT, S#st{m = M#{F := BF - A, T := NT}, count = S#st.count + 1})};
                _ -> rej(2, S)
            end
    end;
step({balance, K}, #st{m = M} = S) ->
    case M of #{K := B} -> {{bal, B}, S}; _ -> rej(2, S) end;
step({setlimit, N}, S) -> {{ok, N}, S#st{limit = N}};
step(stats, S) -> {{stats, S#st.count, S#st.total, S#st.rejected}, S};
step(_, S) -> rej(1, S).

rej(C, S) -> {{rejected, C}, S#st{rejected = S#st.rejected + 1}}.
book(A, X, S) -> S#st{fees = S#st.fees + 1 + A div 250, hwm = max(S#st.hwm, X)}.

check(#st{count = C, total = T, rejected = R, limit = L, fees = F, hwm = H, m = M}) ->
    [C, T, R, L, F, H, lists:sum(maps:values(M))].

workload() -> wl(4096, 42, []).
wl(0, _, Acc) -> lists:reverse(Acc);
wl(N, X0, Acc) ->
    {R0, X1} = next(X0), {K0, X2} = next(X1), {K20, X3} = next(X2), {A0, X4} = next(X3),
    R = R0 rem 100, K = K0 rem 100, K2 = K20 rem 100, A = A0 rem 600 + 1,
    I = if R < 30 -> {deposit, K, A};
           R < 55 -> {withdraw, K, A};
           R < 80 -> {transfer, K, K2, A};
           R < 95 -> {balance, K};
           R < 97 -> {setlimit, 500 + A rem 501};
           true   -> stats end,
    wl(N - 1, X4, [I | Acc]).
next(X) -> Y = (X * 6364136223846793005 + 1442695040888963407) band 16#FFFFFFFFFFFFFFFF, {Y bsr 33, Y}.
