const { Contract } = require('fabric-contract-api')

class External extends Contract {
  async write(ctx, id, value) {
    await ctx.stub.putState(id, Buffer.from(value))
  }

  async read(ctx, id) {
    return (await ctx.stub.getState(id)).toString()
  }
}

exports.contracts = [External]
