const { Contract } = require('fabric-contract-api')

class Basic extends Contract {
  async put(context, key, value) {
    await context.stub.putState(key, Buffer.from(value))
  }

  async get(context, key) {
    return (await context.stub.getState(key)).toString()
  }

  async fail() {
    throw new Error('as asked')
  }
}

exports.contracts = [Basic]
