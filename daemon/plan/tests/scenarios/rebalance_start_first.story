# With start-first the old task goes when the new one runs; one whose image is missing there stays where it is.
boards 2
create web replicas=4 image=ok order=start-first label:bramble.rebalance=true
pass 1m
join 3
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: web wants 4: 4 more
  0 s: web.1 ID is assigned to board-1
  0 s: web.2 ID is assigned to board-2
  0 s: web.3 ID is assigned to board-1
  0 s: web.4 ID is assigned to board-2
pass 2m
why
  90 s: web.1 moves away from board-1: ID takes its place
  90 s: web.1 ID is assigned to board-3
show web
  web.1 ok on n1: shutdown, is shutdown
  web.1 ok on n3: running, is running
  web.2 ok on n2: running, is running
  web.3 ok on n1: running, is running
  web.4 ok on n2: running, is running
