import multiprocessing, sqlite3

def writer(number):
    db = sqlite3.connect("data.db", timeout=30)
    for n in range(100):
        with db:
            db.execute("insert into t values (?, ?)", (number, n))
    db.close()

if __name__ == "__main__":
    db = sqlite3.connect("data.db")
    print(db.execute("pragma journal_mode=wal").fetchone()[0])
    db.execute("create table if not exists t (writer int, n int)")
    db.commit()
    writers = [multiprocessing.Process(target=writer, args=(n,)) for n in range(2)]
    [w.start() for w in writers]
    seen = db.execute("select count(*) from t").fetchone()[0]  # a reader is not kept out
    [w.join() for w in writers]
    print(seen <= 200, db.execute("select writer, count(*), sum(n) from t group by writer").fetchall())
    print(db.execute("pragma integrity_check").fetchone()[0])
