%% step_bench: ns/step of counter and ledger in Erlang/OTP.
%% Build: erlc +inline counter_srv.erl ledger_srv.erl step_bench.erl     (plain erlc does as well)
%% Run:   erl -noshell +S 2:2 -s step_bench main -extra [ROUNDS] [TAG] [all | fun]
%% Prints one line per measure and round: name<TAB>wall_ns_per_step<TAB>os_cpu_ns_per_step (all schedulers, ms grain)
%%   fun   = Mod:handle_call/3 in a tight loop (no process hop), Mod a variable as in gen_server
%%   call1 = gen_server:call from one process, closed loop
%%   cast  = gen_server:cast pipelined, last message a synchronous call
%%   call8 / cast8 = the same with 8 client processes on one server; wall time / total number of steps
-module(step_bench).
-export([main/0]).

main() ->
    Args = init:get_plain_arguments(),
    Rounds = case Args of [R | _] -> list_to_integer(R); _ -> 5 end,
    Tag = case Args of [_, T | _] -> T; _ -> "S" ++ integer_to_list(erlang:system_info(schedulers_online)) end,
    What = case Args of [_, _, "fun" | _] -> functions; _ -> all end,
    io:format("# otp ~s ~s schedulers ~p~n", [erlang:system_info(otp_release), erlang:system_info(emu_flavor), erlang:system_info(schedulers_online)]),
    WL = ledger_srv:workload(),
    [round(Tag, WL, What, I) || I <- lists:seq(1, Rounds)],
    halt().

round(Tag, WL, What, I) ->
    CIn = lists:duplicate(4096, incr),
    %% plain function
    N0 = 4096 * 500,
    fresh(fun() ->
        out("erl_counter_fun", Tag, N0, fun() -> {ok, S} = counter_srv:init([]), N0 = loop(counter_srv, CIn, 500, S) end) end),
    N1 = 4096 * 200,
    fresh(fun() ->
        {ok, S} = ledger_srv:init([]),
        out("erl_ledger_fun", Tag, N1, fun() -> put(s, loop(ledger_srv, WL, 200, S)) end),
        I =:= 1 andalso io:format("# check ~p~n", [ledger_srv:check(get(s))]) end),
    %% gen_server
    What =:= all andalso [server(Name, Mod, In, Tag) || {Name, Mod, In} <- [{"counter", counter_srv, CIn}, {"ledger", ledger_srv, WL}]].

server(Name, Mod, In, Tag) ->
    Nc = 4096 * 50,
    fresh(fun() -> {ok, P} = gen_server:start_link(Mod, [], []),
        out("erl_" ++ Name ++ "_call1", Tag, Nc, fun() -> calls(P, In, 50) end) end),
    fresh(fun() -> {ok, P} = gen_server:start_link(Mod, [], []),
        out("erl_" ++ Name ++ "_cast", Tag, Nc, fun() -> casts(P, In, 50), _ = sys:get_state(P, infinity) end) end),
    fresh(fun() -> {ok, P} = gen_server:start_link(Mod, [], []),
        out("erl_" ++ Name ++ "_call8", Tag, 8 * 4096 * 10, fun() -> par(8, fun() -> calls(P, In, 10) end) end) end),
    fresh(fun() -> {ok, P} = gen_server:start_link(Mod, [], []),
        out("erl_" ++ Name ++ "_cast8", Tag, 8 * 4096 * 10, fun() -> par(8, fun() -> casts(P, In, 10), _ = sys:get_state(P, infinity) end) end) end).

loop(_, _, 0, S) -> S;
loop(Mod, In, K, S) -> loop(Mod, In, K - 1, loop1(Mod, In, S)).
loop1(_, [], S) -> S;
loop1(Mod, [I | T], S) -> {reply, _, S1} = Mod:handle_call(I, from, S), loop1(Mod, T, S1).

calls(_, _, 0) -> ok;
calls(P, In, K) -> [gen_server:call(P, I, infinity) || I <- In], calls(P, In, K - 1).
casts(_, _, 0) -> ok;
casts(P, In, K) -> [gen_server:cast(P, I) || I <- In], casts(P, In, K - 1).

par(N, F) ->
    Ms = [spawn_monitor(F) || _ <- lists:seq(1, N)],
    [receive {'DOWN', M, _, _, normal} -> ok end || {_, M} <- Ms].

fresh(F) -> {_, M} = spawn_opt(F, [monitor, {min_heap_size, 100000}]), receive {'DOWN', M, _, _, normal} -> ok end.

out(Name, Tag, N, F) ->
    {C0, _} = erlang:statistics(runtime),
    T0 = erlang:monotonic_time(nanosecond), F(), T1 = erlang:monotonic_time(nanosecond),
    {C1, _} = erlang:statistics(runtime),
    io:format("~s_~s\t~.2f\t~.2f~n", [Name, Tag, (T1 - T0) / N, (C1 - C0) * 1.0e6 / N]).
