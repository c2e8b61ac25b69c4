// bouncetail_wal_register makes the VFS of wal.c known. It returns 0, or an error
// code of SQLite.
int bouncetail_wal_register(void);
