# A service waits for those that it names; nothing stops it later.
boards 2
create home_web replicas=2 image=ok stack=home label:bramble.depends_on=db,migrate
pass 10s
show home_web
  home_web.1 ok on nowhere: running, is pending (waits for service db, which does not exist)
  home_web.2 ok on nowhere: running, is pending (waits for service db, which does not exist)
create home_db replicas=1 image=ok stack=home
create home_migrate job=1/1 image=done:5 stack=home
pass 8s
show home_web
  home_web.1 ok on nowhere: running, is pending (waits for job home_migrate, which is not done)
  home_web.2 ok on nowhere: running, is pending (waits for job home_migrate, which is not done)
pass 20s
show home_web
  home_web.1 ok on n2: running, is running
  home_web.2 ok on n1: running, is running
update home_db replicas=0
pass 20s
show home_web
  home_web.1 ok on n2: running, is running
  home_web.2 ok on n1: running, is running
why
  0 s: network ingress is 10.0.0.0/24, number 4096
  0 s: home_web wants 2: 2 more
  0 s: home_web.1 is not placed: waits for service db, which does not exist
  0 s: home_web.2 is not placed: waits for service db, which does not exist
  10 s: home_db wants 1: 1 more
  10 s: home_migrate wants 1: 1 more
  10 s: home_db.1 ID is assigned to board-1
  10 s: home_migrate.0 ID is assigned to board-2
  10 s: home_web.1 is not placed: waits for service home_db, of which no task runs
  10 s: home_web.2 is not placed: waits for service home_db, of which no task runs
  15 s: home_web.1 is not placed: waits for job home_migrate, which is not done
  15 s: home_web.2 is not placed: waits for job home_migrate, which is not done
  20 s: home_web.1 ID is assigned to board-2
  20 s: home_web.2 ID is assigned to board-1
  38 s: home_db wants 0: 1 fewer
  39 s: home_db.1 ID is forgotten
