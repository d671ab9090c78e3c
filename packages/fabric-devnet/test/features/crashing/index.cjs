const { Contract } = require('fabric-contract-api')

class CrashingContract extends Contract {
  async echo(_, value) {
    return value
  }

  async crash() {
    process.exit(99)
  }
}

exports.contracts = [CrashingContract]
