# A job runs at its times (the story begins at 2027-01-15T08:00:00Z), never beside itself, and not for each time missed.
boards 1
create backup job=1/1 image=done:30 label:bramble.schedule=*/10_*_*_*_*
pass 5s
show backup
  iteration 0, due 2027-01-15T08:10:00Z
pass 11m
show backup
  iteration 0, due 2027-01-15T08:20:00Z
  backup.0 done:30 on n1: complete, is complete
leaderless 35m
leader
pass 1m
show backup
  iteration 1, due 2027-01-15T08:50:00Z
  3 runs from 2027-01-15T08:20:00Z on missed, since nobody led the cluster: made up for by one at 2027-01-15T08:46:05Z
  backup.0 done:30 on n1: complete, is complete
update backup image=done:1500
pass 22m
show backup
  iteration 2, due 2027-01-15T09:00:00Z
  the run of 2027-01-15T09:00:00Z is left out: the one before still goes on
  backup.0 done:1500 on n1: complete, is running
pass 20m
show backup
  iteration 3, due 2027-01-15T09:30:00Z
  2 runs from 2027-01-15T09:00:00Z on left out: the one before went on until 2027-01-15T09:15:05Z
  backup.0 done:1500 on n1: complete, is running
update backup image=done:30
pass 10s
show backup
  iteration 4, due 2027-01-15T09:30:00Z
  2 runs from 2027-01-15T09:00:00Z on left out: the one before went on until 2027-01-15T09:15:05Z
update backup force
pass 10s
show backup
  iteration 5, due 2027-01-15T09:30:00Z
  2 runs from 2027-01-15T09:00:00Z on left out: the one before went on until 2027-01-15T09:15:05Z
  backup.0 done:30 on n1: complete, is running
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  600 s: backup starts over: iteration 0
  600 s: backup wants 1: 1 more
  600 s: backup.0 ID is assigned to board-1
  2765 s: backup starts over: iteration 1
  2765 s: backup: 3 runs from 2027-01-15T08:20:00Z on missed, since nobody led the cluster: made up for by one at 2027-01-15T08:46:05Z
  2765 s: backup wants 1: 1 more
  2765 s: backup.0 ID is assigned to board-1
  2765 s: backup.0 ID is forgotten
  2825 s: backup.0 ID is forgotten
  3000 s: backup starts over: iteration 2
  3000 s: backup wants 1: 1 more
  3000 s: backup.0 ID is assigned to board-1
  3600 s: backup: the run of 2027-01-15T09:00:00Z is left out: the one before still goes on
  4505 s: backup: 2 runs from 2027-01-15T09:00:00Z on left out: the one before went on until 2027-01-15T09:15:05Z
  4800 s: backup starts over: iteration 3
  4800 s: backup wants 1: 1 more
  4800 s: backup.0 ID is assigned to board-1
  4800 s: backup.0 ID is forgotten
  5346 s: backup.0 ID is forgotten
  5355 s: backup wants 1: 1 more
  5355 s: backup.0 ID is assigned to board-1
