%% counter_srv: a counter as gen_server; the same machine as machines/counter.cam.
-module(counter_srv).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, code_change/3]).
init(_) -> {ok, 0}.
handle_call(incr, _From, S) -> {reply, ok, S + 1};
handle_call(count, _From, S) -> {reply, S, S}.
handle_cast(incr, S) -> {noreply, S + 1}.
handle_info(_, S) -> {noreply, S}.
code_change(_, S, _) -> {ok, S}.
