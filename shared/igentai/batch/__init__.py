"""Many prompts, answered in order, in parallel. The names for people stand in `igentai` itself.

schedule   decides: what goes next, what is asked again, what is final; pure, with `now` as an argument
collector  puts results back into the order of the input; pure
running    acts: reads the source, makes the calls, keeps what came; thin
journal, cache, rows, tables   on disk
query, flow, pipeline, templates, sync   what people call
"""
