# A board that has lost memory keeps the eldest of what reserves some.
boards 2
create web replicas=4 image=ok memory=400
pass 20s
memory 1 500
pass 20s
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: web wants 4: 4 more
  0 s: web.1 ID is assigned to board-1
  0 s: web.2 ID is assigned to board-2
  0 s: web.3 ID is assigned to board-1
  0 s: web.4 ID is assigned to board-2
  20 s: web.1 leaves its board, which no longer has what it reserves; replaced by ID
  20 s: web.1 is not placed: no suitable node (insufficient resources on 2 nodes)
  21 s: web.1 may start
show web
  web.1 ok on n1: shutdown, is shutdown
  web.1 ok on nowhere: running, is pending (no suitable node (insufficient resources on 2 nodes))
  web.2 ok on n2: running, is running
  web.3 ok on n1: running, is running
  web.4 ok on n2: running, is running
memory 2 1300
pass 20s
show web
  web.1 ok on n1: shutdown, is shutdown
  web.1 ok on n2: running, is running
  web.2 ok on n2: running, is running
  web.3 ok on n1: running, is running
  web.4 ok on n2: running, is running
