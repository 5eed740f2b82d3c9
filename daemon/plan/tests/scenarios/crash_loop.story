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
  14 s: web.1 ID is assigned to board-1
  24 s: web.1 may start
  27 s: web.1 failed: task: non-zero exit (1); replaced by ID in 20 s
  27 s: web.1 ID is assigned to board-1
  47 s: web.1 may start
  50 s: web.1 failed: task: non-zero exit (1); replaced by ID in 40 s
  50 s: web.1 ID is assigned to board-1
  90 s: web.1 may start
  93 s: web.1 failed: task: non-zero exit (1); replaced by ID in 1 min 20 s
  93 s: web.1 ID is assigned to board-1
  93 s: web.1 ID is forgotten
  173 s: web.1 may start
  176 s: web.1 failed: task: non-zero exit (1); replaced by ID in 2 min 40 s
  176 s: web.1 ID is assigned to board-1
  176 s: web.1 ID is forgotten
  336 s: web.1 may start
  339 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  339 s: web.1 ID is assigned to board-1
  339 s: web.1 ID is forgotten
  639 s: web.1 may start
  642 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  642 s: web.1 ID is assigned to board-1
  642 s: web.1 ID is forgotten
  942 s: web.1 may start
  945 s: web.1 failed: task: non-zero exit (1); replaced by ID in 5 min
  945 s: web.1 ID is assigned to board-1
  945 s: web.1 ID is forgotten
update web image=crash:400
pass 25m
why
  1200 s: web: update in progress
  1200 s: web.1 is updated by ID
  1200 s: web.1 ID is assigned to board-1
  1200 s: web.1 ID is forgotten
  1201 s: web.1 may start
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
