"""`study serve`: a page of a storage's studies, which follows them while they run anywhere. It reads and never writes.

following  a thread reads the storage again and again     pages    what a page shows, as plain data
app        addresses -> pages, tables, figures, events    guard    who may ask, and what a browser may do
answers    made once for all who ask the same, and events that tell of changes
running    what is trained right now, and machines
server     starts and ends it                             beside   the same for the time of a run
"""
