#!/usr/bin/env escript
%% Plans pairs of releases with systools: what `cargo xtask compare-systools` holds against ours.
%% plan.escript DIR: for each DIR/CASE the relup from old.rel to new.rel and back, an instruction a line.
%% make_relup reads .rel, .app and .appup, and no .beam.
%% plan.escript --entries DIR VERSION...: which entry of UpFrom of each DIR/*.appup is for each version.
main(["--entries", Dir | Versions]) ->
    {ok, Names} = file:list_dir(Dir),
    lists:foreach(fun(Name) -> entries(Dir, Name, Versions) end, lists:sort(Names));
main([Dir]) ->
    {ok, Names} = file:list_dir(Dir),
    lists:foreach(fun(Name) -> plan(Dir, Name) end, lists:sort(Names)).

plan(Dir, Name) ->
    io:format("case ~s~n", [Name]),
    Case = filename:join(Dir, Name),
    Path = filelib:wildcard(filename:join([Case, "lib", "*", "ebin"])),
    [Old, New] = [filename:join(Case, Rel) || Rel <- ["old", "new"]],
    case catch systools:make_relup(New, [Old], [Old], [{path, Path}, noexec, silent]) of
        {ok, {_, [{_, _, Up}], [{_, _, Down}]}, _, _} ->
            script("up", Up),
            script("down", Down);
        Other ->
            io:format("error ~s~n", [lists:flatten(io_lib:format("~0p", [Other]))])
    end.

script(Way, Script) ->
    lists:foreach(fun(Instruction) -> instruction(Way, Instruction) end, Script).

instruction(Way, {load, {Module, _, _}}) -> io:format("~s load ~s~n", [Way, Module]);
instruction(Way, {remove, {Module, _, _}}) -> io:format("~s remove ~s~n", [Way, Module]);
instruction(Way, {apply, {application, start, [App, _]}}) -> io:format("~s start ~s~n", [Way, App]);
instruction(Way, {apply, {application, stop, [App]}}) -> io:format("~s stop ~s~n", [Way, App]);
instruction(Way, restart_new_emulator) -> io:format("~s emulator~n", [Way]);
instruction(_, _) -> ok.

entries(Dir, Name, Versions) ->
    io:format("case ~s~n", [Name]),
    {ok, [{_, Up, _}]} = file:consult(filename:join(Dir, Name)),
    %% Each entry with its number as its script.
    Numbered = lists:zipwith(fun({Base, _}, At) -> {Base, At} end, Up, lists:seq(0, length(Up) - 1)),
    lists:foreach(
      fun(Version) ->
              case systools_relup:appup_search_for_version(Version, Numbered) of
                  {ok, At} -> io:format("~s ~b~n", [Version, At]);
                  error -> io:format("~s none~n", [Version])
              end
      end, Versions).
