%% upgrade_bench: how long an Erlang/OTP hot upgrade keeps processes from answering.
%% Built and run by `cargo xtask bench upgrade`, in a folder with v1/ and v2/ (the two versions of up_srv) and rel/ (the two
%% releases of the application up). erl -noshell -pa ebin -s upgrade_bench main -extra PART ARGS...:
%%   relup N ROUNDS           N gen_servers, by release_handler:upgrade_app/2 and downgrade_app/2 (appup, update advanced)
%%   big ENTRIES ROUNDS KIND  one process, a map of ENTRIES; KIND = mapall | none
-module(upgrade_bench).
-export([main/0]).

main() ->
    process_flag(trap_exit, true),
    Args = [try list_to_integer(A) catch _:_ -> list_to_atom(A) end || A <- init:get_plain_arguments()],
    code:add_patha("v1"),
    run(Args), halt().

bin(V) -> F = filename:join([V, "up_srv.beam"]), {ok, B} = file:read_file(F), {F, B}.
now_us() -> erlang:monotonic_time(nanosecond) / 1000.
load({F, B}) -> code:purge(up_srv), {module, _} = code:load_binary(up_srv, F, B), ok.

run([relup, N, Rounds]) ->
    code:del_path("v1"),
    true = code:add_patha(filename:absname("rel/up-1/ebin")),
    {ok, _} = application:ensure_all_started(sasl), ok = application:start(up),
    Ps = [begin {ok, P} = supervisor:start_child(up_sup, [0]), P end || _ <- lists:seq(1, N)],
    Probe = [hd(Ps), lists:nth(max(1, N div 2), Ps), lists:last(Ps)],
    Silences = [begin
        Ms = [start_probe(P) || P <- Probe], timer:sleep(200),
        updown(I), timer:sleep(200),
        Gap = lists:max([stop_probe(M) || M <- Ms]),
        Want = case I rem 2 of 1 -> 2; 0 -> 1 end,
        [Want = gen_server:call(P, version) || P <- Probe],
        Gap
    end || I <- lists:seq(1, Rounds)],
    dist("silence", Silences);

run([big, Entries, Rounds, Kind]) ->
    {B1, B2} = {bin("v1"), bin("v2")}, load(B1),
    {ok, P} = up_srv:start_link(Entries),
    Pauses = [begin
        {To, Vsn, Want} = case I rem 2 of 1 -> {B2, 1, 2}; 0 -> {B1, {down, 2}, 1} end,
        T0 = now_us(), ok = sys:suspend(P, infinity), load(To),
        ok = sys:change_code(P, up_srv, Vsn, Kind, infinity), ok = sys:resume(P, infinity),
        Want = gen_server:call(P, version, infinity),
        now_us() - T0
    end || I <- lists:seq(1, Rounds)],
    dist("silence", Pauses).

%% upgrade and downgrade in turns; release_handler's own code path for an appup script
updown(I) when I rem 2 =:= 1 -> {ok, _} = release_handler:upgrade_app(up, filename:absname("rel/up-2"));
updown(_) -> {ok, _} = release_handler:downgrade_app(up, "1", filename:absname("rel/up-1")).

%% a probe calls its process every millisecond or so and keeps the longest time that it waited for an answer
start_probe(P) -> S = self(), spawn_link(fun() -> probe(P, S, 0) end).
probe(P, S, Max) ->
    T0 = now_us(), _ = gen_server:call(P, count, infinity), D = now_us() - T0,
    receive stop -> S ! {gap, self(), max(D, Max)} after 1 -> probe(P, S, max(D, Max)) end.
stop_probe(M) -> M ! stop, receive {gap, M, G} -> G end.

%% name, number of figures, median, longest, in microseconds
dist(Name, Xs) ->
    A = list_to_tuple(lists:sort(Xs)), N = tuple_size(A),
    io:format("~s\t~p\t~.1f\t~.1f~n", [Name, N, element(max(1, round(N / 2)), A) * 1.0, element(N, A) * 1.0]).
