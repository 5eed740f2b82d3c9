# A crash loop backs off, up to five minutes; a healthy run of more than a minute begins anew.
boards 1
create web replicas=1 image=crash:2 restart-delay=1s
pass 20m
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: web wants 1: 1 more
  0 s: web.1 ID is assigned to board-1
  7 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 s
  7 s: web.1 ID is assigned to board-1
  8 s: web.1 may start
  14 s: web.1 failed: task: non-zero exit (1); replaced by ID in 10 s
  14 s: web.1 is not placed: backing off after 2 failures in a row: not before 08:00:24 UTC
  24 s: web.1 may start
  24 s: web.1 ID is assigned to board-1
  31 s: web.1 failed: task: non-zero exit (1); replaced by ID in 20 s
  31 s: web.1 is not placed: backing off after 3 failures in a row: not before 08:00:51 UTC
  51 s: web.1 may start
  51 s: web.1 ID is assigned to board-1
  58 s: web.1 failed: task: non-zero exit (1); replaced by ID in 40 s
  58 s: web.1 is not placed: backing off after 4 failures in a row: not before 08:01:38 UTC
  98 s: web.1 may start
  98 s: web.1 ID is assigned to board-1
  105 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 min 20 s
  105 s: web.1 is not placed: backing off after 5 failures in a row: not before 08:03:05 UTC
  105 s: web.1 ID is forgotten
  185 s: web.1 may start
  185 s: web.1 ID is assigned to board-1
  192 s: web.1 failed: task: non-zero exit (1); replaced by ID in 2 min 40 s
  192 s: web.1 is not placed: backing off after 6 failures in a row: not before 08:05:52 UTC
  192 s: web.1 ID is forgotten
  352 s: web.1 may start
  352 s: web.1 ID is assigned to board-1
  359 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  359 s: web.1 is not placed: backing off after 7 failures in a row: not before 08:10:59 UTC
  359 s: web.1 ID is forgotten
  659 s: web.1 may start
  659 s: web.1 ID is assigned to board-1
  666 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  666 s: web.1 is not placed: backing off after 8 failures in a row: not before 08:16:06 UTC
  666 s: web.1 ID is forgotten
  966 s: web.1 may start
  966 s: web.1 ID is assigned to board-1
  973 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  973 s: web.1 is not placed: backing off after 9 failures in a row: not before 08:21:13 UTC
  973 s: web.1 ID is forgotten
update web image=crash:400
pass 25m
why
  1200 s: web: update in progress
  1200 s: web.1 is updated by ID
  1200 s: web.1 may start
  1200 s: web.1 ID is assigned to board-1
  1200 s: web.1 ID is forgotten
  1210 s: web: update completed
  1605 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 s
  1605 s: web.1 ID is assigned to board-1
  1605 s: web.1 ID is forgotten
  1606 s: web.1 may start
  2010 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 s
  2010 s: web.1 ID is assigned to board-1
  2010 s: web.1 ID is forgotten
  2011 s: web.1 may start
  2415 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 s
  2415 s: web.1 ID is assigned to board-1
  2415 s: web.1 ID is forgotten
  2416 s: web.1 may start
