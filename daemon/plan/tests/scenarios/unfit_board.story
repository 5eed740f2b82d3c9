# A board that is hot keeps its tasks and gets no new ones until it has cooled down.
boards 2
create web replicas=2 image=ok
create each global image=ok monitor=5s
pass 10s
ails 1 hot
update web replicas=5
pass 10s
show web
  web.1 ok on n1: running, is running
  web.2 ok on n2: running, is running
  web.3 ok on n2: running, is running
  web.4 ok on n2: running, is running
  web.5 ok on n2: running, is running
# A task that finds no board says why.
ails 2 under-voltage
create late replicas=1 image=ok
pass 10s
show late
  late.1 ok on nowhere: running, is pending (no suitable node (power supply is too weak on 1 node; board is hot on 1 node))
# A global service is not updated where its new task would have to wait.
well 2
update each image=new
pass 20s
show each
  update completed: update completed
  each.n1 ok on n1: running, is running
  each.n2 ok on n2: shutdown, is shutdown
  each.n2 new on n2: running, is running
show late
  late.1 ok on n2: running, is running
well 1
pass 20s
show each
  update completed: update completed
  each.n1 ok on n1: shutdown, is shutdown
  each.n1 new on n1: running, is running
  each.n2 ok on n2: shutdown, is shutdown
  each.n2 new on n2: running, is running
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: each comes to board-1
  0 s: each comes to board-2
  0 s: web wants 2: 2 more
  0 s: each.board-1 ID is assigned to board-1
  0 s: each.board-2 ID is assigned to board-2
  0 s: web.1 ID is assigned to board-1
  0 s: web.2 ID is assigned to board-2
  10 s: web wants 5: 3 more
  10 s: web.3 ID is assigned to board-2
  10 s: web.4 ID is assigned to board-2
  10 s: web.5 ID is assigned to board-2
  20 s: late wants 1: 1 more
  20 s: late.1 is not placed: no suitable node (power supply is too weak on 1 node; board is hot on 1 node)
  30 s: each: update in progress
  30 s: each.board-2 is updated by ID
  30 s: each.board-2 ID is assigned to board-2
  30 s: late.1 ID is assigned to board-2
  31 s: each.board-2 may start
  40 s: each: update completed
  50 s: each: update in progress
  50 s: each.board-1 is updated by ID
  50 s: each.board-1 ID is assigned to board-1
  51 s: each.board-1 may start
  60 s: each: update completed
