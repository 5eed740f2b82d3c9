# A slot comes back to the board that has its data, as long as that will do.
boards 3
create db replicas=1 image=ok label:bramble.volume_affinity=true
pass 20s
show db
  db.1 ok on n1: running, is running
create noise replicas=6 image=ok
pass 20s
update db image=new
pass 30s
show db
  update completed: update completed
  db.1 ok on n1: shutdown, is shutdown
  db.1 new on n1: running, is running
