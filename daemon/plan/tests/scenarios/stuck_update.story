# An update whose new task finds no board, or no image, ends in its failure action and says why.
boards 2
create web replicas=2 image=ok action=rollback label:bramble.start_limit=90s
pass 30s
update web constraint=node.labels.ssd==true image=new
pass 60s
show web
  update updating: update in progress
  web.1 ok on n1: shutdown, is shutdown
  web.1 new on nowhere: running, is pending (no suitable node (scheduling constraints not satisfied on 2 nodes))
  web.2 ok on n2: running, is running
pass 2m
show web
  update rollback_completed: rollback completed: update rolled back due to failure or early termination of task ID: it did not run within 1 min 30 s and is pending: no suitable node (scheduling constraints not satisfied on 2 nodes)
  web.1 ok on n1: shutdown, is shutdown
  web.1 ok on n1: running, is running
  web.2 ok on n2: running, is running
create api replicas=2 image=ok action=pause order=start-first
pass 30s
update api image=missing
pass 30s
show api
  update paused: update paused due to failure or early termination of task ID: No such image: missing
  api.1 ok on n1: running, is running
  api.1 missing on n1: shutdown, is rejected (No such image: missing)
  api.1 missing on n1: shutdown, is rejected (No such image: missing)
  api.1 missing on n1: shutdown, is rejected (No such image: missing)
  api.1 missing on nowhere: ready, is pending (backing off after 3 failures in a row: not before 08:04:44 UTC)
  api.2 ok on n2: running, is running
