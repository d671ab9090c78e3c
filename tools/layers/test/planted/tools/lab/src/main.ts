import '@planted/ledger'
import '@planted/wire'
