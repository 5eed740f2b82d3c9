# A board comes back, and a service that asks for it spreads over it again: one task, then it is even.
boards 3
create web replicas=6 image=ok label:bramble.rebalance=true
create other replicas=3 image=ok
pass 1m
down 3
pass 1m
up 3
pass 20s
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: other wants 3: 3 more
  0 s: web wants 6: 6 more
  0 s: other.1 ID is assigned to board-1
  0 s: other.2 ID is assigned to board-2
  0 s: other.3 ID is assigned to board-3
  0 s: web.1 ID is assigned to board-1
  0 s: web.2 ID is assigned to board-2
  0 s: web.3 ID is assigned to board-3
  0 s: web.4 ID is assigned to board-1
  0 s: web.5 ID is assigned to board-2
  0 s: web.6 ID is assigned to board-3
  60 s: other.3 lost its board, which is down; replaced by ID
  60 s: web.3 lost its board, which is down; replaced by ID
  60 s: web.6 lost its board, which is down; replaced by ID
  60 s: other.3 may start
  60 s: web.3 may start
  60 s: web.6 may start
  60 s: other.3 ID is assigned to board-1
  60 s: web.3 ID is assigned to board-2
  60 s: web.6 ID is assigned to board-1
pass 2m
why
  150 s: web.6 moves away from board-1: ID takes its place
  150 s: web.6 ID is assigned to board-3
  154 s: web.6 may start
  180 s: web.3 moves away from board-2: ID takes its place
  180 s: web.3 ID is assigned to board-3
  184 s: web.3 may start
show web
  web.1 ok on n1: running, is running
  web.2 ok on n2: running, is running
  web.3 ok on n3: shutdown, is shutdown
  web.3 ok on n2: shutdown, is shutdown
  web.3 ok on n3: running, is running
  web.4 ok on n1: running, is running
  web.5 ok on n2: running, is running
  web.6 ok on n3: shutdown, is shutdown
  web.6 ok on n1: shutdown, is shutdown
  web.6 ok on n3: running, is running
show other
  other.1 ok on n1: running, is running
  other.2 ok on n2: running, is running
  other.3 ok on n3: shutdown, is shutdown
  other.3 ok on n1: running, is running
