%% up_srv: the server that gets upgraded. One source, two versions:
%%   erlc -DV=1 -o v1 up_srv.erl; erlc -DV=2 -o v2 up_srv.erl
%% V1 state {N, Map}; V2 state {N, Map, Added}. Counter N; 'version' says which code answers; code_change both ways.
%% 'mapall' in Extra makes code_change map over every entry of Map.
-module(up_srv).
-behaviour(gen_server).
-vsn(?V).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).
start_link(Entries) -> gen_server:start_link(?MODULE, Entries, []).
init(E) -> {ok, st(0, maps:from_list([{K, K} || K <- lists:seq(1, E)]))}.
-if(?V =:= 1).
st(N, M) -> {N, M}.
handle_call(incr, _, {N, M}) -> {reply, N + 1, {N + 1, M}};
handle_call(version, _, S) -> {reply, 1, S};
handle_call(count, _, {N, _} = S) -> {reply, N, S}.
handle_cast(incr, {N, M}) -> {noreply, {N + 1, M}}.
code_change({down, _}, {N, M, _}, Extra) -> {ok, {N, chg(M, Extra)}}.
-else.
st(N, M) -> {N, M, 0}.
handle_call(incr, _, {N, M, A}) -> {reply, N + 1, {N + 1, M, A + 1}};
handle_call(version, _, S) -> {reply, 2, S};
handle_call(count, _, {N, _, _} = S) -> {reply, N, S}.
handle_cast(incr, {N, M, A}) -> {noreply, {N + 1, M, A + 1}}.
code_change({down, _}, {N, M, _}, Extra) -> {ok, {N, chg(M, Extra)}}; % release_handler runs this in the NEW code, then loads the old
code_change(_, {N, M}, Extra) -> {ok, {N, chg(M, Extra), 0}}.
-endif.
handle_info(_, S) -> {noreply, S}.
chg(M, mapall) -> maps:map(fun(_, V) -> V + 1 end, M);
chg(M, _) -> M.
